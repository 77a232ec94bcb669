package dev.dormouse.operator.inferencemodel;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.operator.log.LogKeys;
import dev.dormouse.operator.inferencemodel.Pods.Creation.Created;
import dev.dormouse.operator.inferencemodel.Pods.Creation.Present;
import dev.dormouse.operator.inferencemodel.Pods.Creation.Refused;
import dev.dormouse.operator.status.ModelView.Rejection;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.net.HttpURLConnection;
import java.util.Objects;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The writes to pods and claims, each idempotent: what is done already, or gone already, is fine. */
final class Pods {
    private static final Logger LOG = LoggerFactory.getLogger(Pods.class);
    private static final int UNPROCESSABLE = 422;
    private static final PatchContext MERGE = new PatchContext.Builder().withPatchType(PatchType.JSON_MERGE)
            .withFieldManager("dormouse-operator")
            .build();

    private final KubernetesClient client;
    private final ModelKey model;

    /** @param model whose pods these are */
    Pods(KubernetesClient client, ModelKey model) {
        this.client = client;
        this.model = model;
    }

    /** What became of a pod that was to be created. */
    sealed interface Creation {
        /** @param pod as the API server has it now */
        record Created(Pod pod) implements Creation {}

        /** The cache is behind: it was there already. */
        record Present() implements Creation {}

        record Refused(Rejection why) implements Creation {}
    }

    /** @throws KubernetesClientException when trying again at once may help */
    Creation create(Pod pod) {
        try {
            Pod created = client.pods().inNamespace(pod.getMetadata().getNamespace()).resource(pod).create();
            LOG.atLevel(Rehearsal.level(model))
                    .addKeyValue(LogKeys.MODEL, model)
                    .addKeyValue(LogKeys.POD, pod.getMetadata().getName())
                    .log("pod created");
            return new Created(created);
        } catch (KubernetesClientException e) {
            return e.getCode() == HttpURLConnection.HTTP_CONFLICT ? new Present() : new Refused(rejection(e));
        }
    }

    private static Rejection rejection(KubernetesClientException e) {
        String message = message(e);
        return switch (e.getCode()) {
            case UNPROCESSABLE, HttpURLConnection.HTTP_BAD_REQUEST -> new Rejection(
                    new Problem("InvalidPodTemplate", message), true);
            case HttpURLConnection.HTTP_FORBIDDEN -> new Rejection(
                    new Problem(message.contains("exceeded quota") ? "QuotaExceeded" : "PodForbidden", message), false);
            // The namespace is going, or was never there.
            case HttpURLConnection.HTTP_NOT_FOUND -> new Rejection(new Problem("NamespaceMissing", message), false);
            case HttpURLConnection.HTTP_INTERNAL_ERROR -> {
                if (message.contains("webhook")) {
                    yield new Rejection(new Problem("WebhookFailed", message), false);
                }
                throw e;
            }
            default -> throw e;
        };
    }

    /** @param why for the log */
    void markDraining(String name, String uid, String why) {
        String mark = "{\"metadata\":{\"uid\":\"%s\",\"annotations\":{\"%s\":\"true\"}}}".formatted(uid,
                PodConventions.ANNOTATION_DRAINING);
        try {
            client.pods().inNamespace(model.namespace()).withName(name).patch(MERGE, mark);
            log("pod drains", name, why);
        } catch (KubernetesClientException e) {
            rethrowUnlessGone(e);
        }
    }

    /**
     * Deletes a pod that still is what the decision was made on: one that has begun to serve meanwhile stays, and the event
     * of its change has it decided again.
     *
     * @param resourceVersion of the pod as it was seen
     * @param why for the log
     */
    void delete(String name, String resourceVersion, String why) {
        try {
            client.pods().inNamespace(model.namespace()).withName(name).lockResourceVersion(resourceVersion).delete();
            log("pod deleted", name, why);
        } catch (KubernetesClientException e) {
            rethrowUnlessGone(e);
        }
    }

    /** Something the pod refers to, and that never changes. */
    void create(GenericKubernetesResource object) {
        try {
            client.resource(object).create();
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                throw e;
            }
        }
    }

    void create(PersistentVolumeClaim claim) {
        try {
            client.persistentVolumeClaims().inNamespace(claim.getMetadata().getNamespace()).resource(claim).create();
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                throw e;
            }
        }
    }

    private void log(String what, String pod, String why) {
        LOG.atLevel(Rehearsal.level(model))
                .addKeyValue(LogKeys.MODEL, model)
                .addKeyValue(LogKeys.POD, pod)
                .addKeyValue(LogKeys.REASON, why)
                .log(what);
    }

    private static String message(KubernetesClientException e) {
        return Objects.requireNonNullElse(e.getMessage(), "the API server gave no reason");
    }

    private static void rethrowUnlessGone(KubernetesClientException e) {
        boolean gone = e.getCode() == HttpURLConnection.HTTP_NOT_FOUND
                || e.getCode() == HttpURLConnection.HTTP_CONFLICT;
        if (!gone) {
            throw e;
        }
    }
}
