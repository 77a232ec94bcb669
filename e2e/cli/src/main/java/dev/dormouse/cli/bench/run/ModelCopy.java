package dev.dormouse.cli.bench.run;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.cli.demo.EmbeddingClient;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A copy of the measured model under a name of its own: the user's model, its claim and its clients are never touched
 * (R36, R37). It starts only when asked and sleeps after a second. Its claim is deleted here, with the rights of whoever
 * runs the bench: the operator needs none for it.
 */
final class ModelCopy implements AutoCloseable {
    /** Label on every copy and its claim: the run, so that what a killed bench left behind can be found. */
    static final String LABEL_RUN = "dormouse.dev/bench";
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration PATIENCE = Duration.ofMinutes(3);
    private static final Duration LOOK = Duration.ofMillis(20);
    private static final int LAST_LINES = 50;
    /** Idle seconds of a copy between its starts, and while it is to stay awake. */
    static final int SLEEPY = 1;
    static final int AWAKE = 60;

    private final KubernetesClient client;
    private final String namespace;
    private final String name;

    private ModelCopy(KubernetesClient client, String namespace, String name) {
        this.client = client;
        this.namespace = namespace;
        this.name = name;
    }

    /**
     * Creates it and waits until the gateway knows it.
     *
     * @throws IOException when the gateway does not within {@code timeout}
     */
    static ModelCopy create(Site site, GenericKubernetesResource original, String run, String suffix, int clients,
            Duration timeout) throws IOException, InterruptedException {
        ModelCopy copy = create(site, desired(original, site.namespace(), run, suffix, clients));
        try {
            copy.awaitListed(site, timeout);
            return copy;
        } catch (IOException | InterruptedException e) {
            copy.close();
            throw e;
        }
    }

    /** One whose pods no node takes; returns once the operator knows it. */
    static ModelCopy nowhere(Site site, GenericKubernetesResource original, String run, String suffix,
            Duration timeout) {
        GenericKubernetesResource desired = desired(original, site.namespace(), run, suffix, 1);
        ObjectNode tree = JSON.valueToTree(desired);
        tree.withObject("/spec/podTemplate/spec/nodeSelector").put(LABEL_RUN, "nowhere");
        ModelCopy copy = create(site, JSON.convertValue(tree, GenericKubernetesResource.class));
        site.client()
                .resources(InferenceModel.class)
                .inNamespace(site.namespace())
                .withName(copy.name)
                .waitUntilCondition(model -> model != null && model.getStatus() != null
                        && !model.getStatus().conditions.isEmpty(), timeout.toSeconds(), TimeUnit.SECONDS);
        return copy;
    }

    private static ModelCopy create(Site site, GenericKubernetesResource desired) {
        site.client().resource(desired).create();
        return new ModelCopy(site.client(), site.namespace(), desired.getMetadata().getName());
    }

    static GenericKubernetesResource desired(GenericKubernetesResource original, String namespace, String run,
            String suffix, int clients) {
        String name = "bench-" + run + "-" + suffix;
        ObjectNode copy = JSON.createObjectNode();
        copy.put("apiVersion", original.getApiVersion()).put("kind", original.getKind());
        copy.putObject("metadata")
                .put("namespace", namespace)
                .put("name", name)
                .putObject("labels")
                .put(LABEL_RUN, run);
        ObjectNode spec = JSON.valueToTree(original.getAdditionalProperties().get("spec"));
        copy.set("spec", spec);
        spec.remove("canary");
        spec.remove("replicas");
        spec.withObject("/model").put("name", name).remove("aliases");
        spec.withObject("/scaling")
                .put("minReplicas", 0)
                .put("maxReplicas", 1)
                .put("idleSeconds", SLEEPY)
                .put("initialStart", "Never");
        ObjectNode requests = spec.withObject("/requests");
        requests.put("concurrencyLimit", Math.max(clients, requests.path("concurrencyLimit").asInt(10)));
        spec.withObject("/snapshot").put("deletionPolicy", "Retain").remove("persistentVolumeClaim");
        return JSON.convertValue(copy, GenericKubernetesResource.class);
    }

    String name() {
        return name;
    }

    /**
     * Puts off the sleep of a copy that is looked at, or that is asked past the gateway, which then sees too little traffic.
     *
     * @param seconds without a request before it sleeps
     */
    void sleepsAfter(int seconds) {
        client.resources(InferenceModel.class)
                .inNamespace(namespace)
                .withName(name)
                .patch(PatchContext.of(PatchType.JSON_MERGE),
                        "{\"spec\": {\"scaling\": {\"idleSeconds\": " + seconds + "}}}");
    }

    /** The claim that the operator makes for a model that names none. */
    String snapshots() {
        return snapshots(name);
    }

    static String snapshots(String name) {
        return name + "-snapshots";
    }

    /** The gateway answers 404 for a model it has not seen yet. */
    private void awaitListed(Site site, Duration timeout) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + timeout.toNanos();
        try (EmbeddingClient user = new EmbeddingClient(site.gateway())) {
            while (!user.models().contains(name)) {
                if (System.nanoTime() > deadline) {
                    throw new IOException("the gateway at " + site.gateway() + " does not list " + name);
                }
                TimeUnit.NANOSECONDS.sleep(LOOK.toNanos());
            }
        }
    }

    /** What its containers wrote last, for a failure's message (BR2); empty where nothing can be read. */
    String lastWords() {
        StringBuilder words = new StringBuilder();
        try {
            for (Pod pod : client.pods()
                    .inNamespace(namespace)
                    .withLabel(PodConventions.LABEL_MODEL, name)
                    .list()
                    .getItems()) {
                List<String> containers = Stream
                        .concat(pod.getStatus().getInitContainerStatuses().stream(),
                                pod.getStatus().getContainerStatuses().stream())
                        .map(ContainerStatus::getName)
                        .toList();
                for (String container : containers) {
                    words.append("\n--- the last lines of ").append(pod.getMetadata().getName());
                    words.append('/').append(container).append(":\n");
                    words.append(client.pods()
                            .inNamespace(namespace)
                            .withName(pod.getMetadata().getName())
                            .inContainer(container)
                            .tailingLines(LAST_LINES)
                            .getLog());
                }
            }
        } catch (KubernetesClientException e) {
            words.append("\n(their logs cannot be read: ").append(e.getMessage()).append(')');
        }
        return words.toString();
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
                .informOnCondition(List::isEmpty)
                .orTimeout(PATIENCE.toSeconds(), TimeUnit.SECONDS)
                .join();
        client.persistentVolumeClaims().inNamespace(namespace).withName(snapshots()).delete();
    }
}
