package dev.dormouse.operator.modelsnapshot;

import dev.dormouse.operator.json.ApiJson;
import dev.dormouse.api.v1alpha1.ModelSnapshot;
import dev.dormouse.api.v1alpha1.ModelSnapshotSpec;
import dev.dormouse.api.v1alpha1.ModelSnapshotStatus;
import dev.dormouse.operator.desired.StorePod;
import dev.dormouse.operator.status.PlainStatus;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.VolumeListing;
import dev.dormouse.operator.log.LogKeys;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.net.HttpURLConnection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The writes to ModelSnapshot resources, each idempotent. A spec is written once, at creation, and never again. */
final class SnapshotObjects {
    static final String FINALIZER = "dormouse.dev/snapshot-bytes";
    /** A person's word that the bytes need not be freed, as when the volume cannot be mounted any more. */
    static final String BYPASS = "dormouse.dev/leave-bytes";
    /** A person's wish to have every byte read and compared now; any new value, such as the time, is a new wish. */
    static final String VERIFY = "dormouse.dev/verify-requested-at";
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotObjects.class);
    private static final int LONGEST_NAME = 253;
    private static final String MANAGER = "dormouse-operator";
    private static final KubernetesSerialization JSON = ApiJson.SHARED;
    private static final PatchContext MERGE = new PatchContext.Builder().withPatchType(PatchType.JSON_MERGE)
            .withFieldManager(MANAGER)
            .build();

    private final KubernetesClient client;
    private final PlainStatus<ModelSnapshotStatus> statuses;

    SnapshotObjects(KubernetesClient client) {
        this.client = client;
        this.statuses = new PlainStatus<>(client, ModelSnapshot.class);
    }

    /** The claim's name keeps snapshots of one id on two volumes apart, as when a volume was cloned. */
    static String name(String claim, String id) {
        String name = claim + "." + id.toLowerCase(Locale.ROOT);
        return name.length() <= LONGEST_NAME ? name : StorePod.label(claim) + "." + id;
    }

    /** @param model absent when nobody knows whose it is */
    void create(VolumeKey volume, VolumeListing.Entry found, @Nullable String model) {
        ModelSnapshot snapshot = new ModelSnapshot();
        snapshot.getMetadata().setName(name(volume.claim(), found.id()));
        snapshot.getMetadata().setNamespace(volume.namespace());
        snapshot.getMetadata().setFinalizers(List.of(FINALIZER));
        snapshot.getMetadata()
                .setLabels(model == null
                        ? Map.of(PodConventions.LABEL_MANAGED_BY, PodConventions.MANAGED_BY)
                        : Map.of(PodConventions.LABEL_MANAGED_BY, PodConventions.MANAGED_BY,
                                PodConventions.LABEL_MODEL, model));
        snapshot.setSpec(new ModelSnapshotSpec(volume.claim(), found.id(), found.key(), model, found.pinned()));
        try {
            client.resource(snapshot).create();
            LOG.atInfo()
                    .addKeyValue(LogKeys.SNAPSHOT, snapshot.getMetadata().getName())
                    .addKeyValue(LogKeys.VOLUME, volume)
                    .log("snapshot found");
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT && e.getCode() != HttpURLConnection.HTTP_FORBIDDEN) {
                throw e;
            }
            // It is there already, or its namespace ends.
            LOG.debug("{} was not created: {}", snapshot.getMetadata().getName(), e.getMessage());
        }
    }

    void writeStatus(ModelSnapshot cached, ModelSnapshotStatus next) {
        statuses.write(cached, next);
    }

    void delete(ModelSnapshot snapshot) {
        if (!snapshot.isMarkedForDeletion()) {
            client.resources(ModelSnapshot.class)
                    .inNamespace(snapshot.getMetadata().getNamespace())
                    .withName(snapshot.getMetadata().getName())
                    .delete();
        }
    }

    /** Names the version it is based on: a finalizer that somebody else adds meanwhile is never lost. */
    void release(ModelSnapshot snapshot, String why) {
        if (!snapshot.hasFinalizer(FINALIZER)) {
            return;
        }
        List<String> others = snapshot.getFinalizers().stream().filter(name -> !name.equals(FINALIZER)).toList();
        String patch = JSON.asJson(Map.of("metadata", Map.of("uid", snapshot.getMetadata().getUid(), "resourceVersion",
                snapshot.getMetadata().getResourceVersion(), "finalizers", others)));
        try {
            client.resources(ModelSnapshot.class)
                    .inNamespace(snapshot.getMetadata().getNamespace())
                    .withName(snapshot.getMetadata().getName())
                    .patch(MERGE, patch);
            LOG.atInfo()
                    .addKeyValue(LogKeys.SNAPSHOT, snapshot.getMetadata().getName())
                    .addKeyValue(LogKeys.REASON, why)
                    .log("snapshot released");
            forget(snapshot);
        } catch (KubernetesClientException e) {
            rethrowUnlessGone(e);
        }
    }

    void forget(ModelSnapshot snapshot) {
        statuses.forget(snapshot);
    }

    private static void rethrowUnlessGone(KubernetesClientException e) {
        if (e.getCode() != HttpURLConnection.HTTP_NOT_FOUND) {
            throw e;
        }
    }
}
