package dev.dormouse.cli.bench.run;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * A copy of the measured model under a name of its own: the user's model, its claim and its clients are never touched
 * (R36, R37). It starts only when asked and sleeps after a second. Its claim is deleted here, with the rights of whoever
 * runs the bench: the operator needs none for it.
 */
final class ModelCopy implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    private final KubernetesClient client;
    private final String namespace;
    private final String name;

    private ModelCopy(KubernetesClient client, String namespace, String name) {
        this.client = client;
        this.namespace = namespace;
        this.name = name;
    }

    static ModelCopy create(KubernetesClient client, String namespace, GenericKubernetesResource original,
            String name, int clients) {
        client.resource(desired(original, namespace, name, clients)).create();
        return new ModelCopy(client, namespace, name);
    }

    static GenericKubernetesResource desired(GenericKubernetesResource original, String namespace, String name,
            int clients) {
        ObjectNode copy = JSON.createObjectNode();
        copy.put("apiVersion", original.getApiVersion()).put("kind", original.getKind());
        copy.putObject("metadata").put("namespace", namespace).put("name", name);
        ObjectNode spec = JSON.valueToTree(original.getAdditionalProperties().get("spec"));
        copy.set("spec", spec);
        spec.remove("canary");
        spec.remove("replicas");
        spec.withObject("/model").put("name", name).remove("aliases");
        spec.withObject("/scaling")
                .put("minReplicas", 0)
                .put("maxReplicas", 1)
                .put("idleSeconds", 1)
                .put("initialStart", "Never");
        ObjectNode requests = spec.withObject("/requests");
        requests.put("concurrencyLimit", Math.max(clients, requests.path("concurrencyLimit").asInt(10)));
        spec.withObject("/snapshot").put("deletionPolicy", "Retain").remove("persistentVolumeClaim");
        return JSON.convertValue(copy, GenericKubernetesResource.class);
    }

    String name() {
        return name;
    }

    /** The claim that the operator makes for a model that names none. */
    String snapshots() {
        return name + "-snapshots";
    }

    /** Deletes the copy and its claim and waits until its pods are gone: the next start has the machine for itself. */
    @Override
    public void close() {
        client.resources(InferenceModel.class).inNamespace(namespace).withName(name).delete();
        client.resources(InferenceModel.class)
                .inNamespace(namespace)
                .withName(name)
                .waitUntilCondition(model -> model == null, PATIENCE.toSeconds(), TimeUnit.SECONDS);
        client.pods()
                .inNamespace(namespace)
                .withLabel(PodConventions.LABEL_MODEL, name)
                .informOnCondition(java.util.List::isEmpty)
                .orTimeout(PATIENCE.toSeconds(), TimeUnit.SECONDS)
                .join();
        client.persistentVolumeClaims().inNamespace(namespace).withName(snapshots()).delete();
    }
}
