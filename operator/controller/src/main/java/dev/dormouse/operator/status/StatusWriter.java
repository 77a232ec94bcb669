package dev.dormouse.operator.status;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.operator.json.ApiJson;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.net.HttpURLConnection;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The only writer of status: server-side apply with the plain client, under its own field manager, of a type that has no
 * {@code demand}. So a demand written between our read and our write stays. The SDK's own patches are not used: in
 * java-operator-sdk 5.3.2 they hide a foreign write that lands just before them (fixed in 5.5, which does not resolve
 * with this fabric8 version).
 *
 * <p>Remembers what it wrote until the cache has caught up, so that the next reconcile neither decides on an old status
 * nor writes the same again.
 */
public final class StatusWriter {
    public static final String FIELD_MANAGER = "dormouse-operator";
    private static final Logger LOG = LoggerFactory.getLogger(StatusWriter.class);
    private static final KubernetesSerialization JSON = ApiJson.SHARED;
    private static final ResourceDefinitionContext MODELS = ResourceDefinitionContext
            .fromResourceType(InferenceModel.class);
    private static final PatchContext APPLY = new PatchContext.Builder().withPatchType(PatchType.SERVER_SIDE_APPLY)
            .withFieldManager(FIELD_MANAGER)
            .withForce(true)
            .build();

    private final KubernetesClient client;
    private final Map<String, Written> written = new ConcurrentHashMap<>();

    private record Written(String resourceVersion, ModelStatus status) {}

    public StatusWriter(KubernetesClient client) {
        this.client = client;
    }

    /** The newest status known: the cached one, or ours if the cache is behind. Not to be changed. */
    public ModelStatus latest(InferenceModel cached) {
        Written ours = written.get(cached.getMetadata().getUid());
        if (ours != null) {
            if (isNewer(ours.resourceVersion(), cached.getMetadata().getResourceVersion())) {
                return ours.status();
            }
            // The cache has it: ten thousand sleeping models need no second copy.
            written.remove(cached.getMetadata().getUid(), ours);
        }
        return cached.getStatus() == null ? new ModelStatus() : cached.getStatus();
    }

    /** @return whether anything was written */
    public boolean write(InferenceModel cached, ModelStatus next) {
        ObjectNode tree = tree(next);
        if (tree.equals(tree(latest(cached)))) {
            return false;
        }
        try {
            GenericKubernetesResource result = client.genericKubernetesResources(MODELS)
                    .inNamespace(cached.getMetadata().getNamespace())
                    .resource(fresh(cached, tree))
                    .subresource("status")
                    .patch(APPLY);
            written.put(cached.getMetadata().getUid(), new Written(result.getMetadata().getResourceVersion(), next));
            return true;
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_NOT_FOUND) {
                throw e;
            }
            LOG.debug("{} was deleted before its status could be written", cached.getFullResourceName());
            return false;
        }
    }

    public void forget(String modelUid) {
        written.remove(modelUid);
    }

    private static GenericKubernetesResource fresh(InferenceModel model, ObjectNode status) {
        return new GenericKubernetesResourceBuilder().withApiVersion(model.getApiVersion())
                .withKind(model.getKind())
                .withNewMetadata()
                .withName(model.getMetadata().getName())
                .withNamespace(model.getMetadata().getNamespace())
                .endMetadata()
                .addToAdditionalProperties("status", status)
                .build();
    }

    private static ObjectNode tree(ModelStatus status) {
        ObjectNode tree = JSON.convertValue(status, ObjectNode.class);
        tree.remove("demand");
        return tree;
    }

    /**
     * Resource versions are numbers that grow (Kubernetes says so since 1.35, and every server did before). Anything else
     * is taken as "the cache has caught up".
     */
    private static boolean isNewer(String ours, String cached) {
        try {
            return Long.parseLong(ours) > Long.parseLong(Objects.requireNonNullElse(cached, "0"));
        } catch (NumberFormatException e) {
            return false;
        }
    }
}
