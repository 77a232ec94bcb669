package dev.dormouse.cli.wake;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus.Activation;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarStatus;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.Resource;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** Follows one model's pods and tells, after a request was answered, where its time went. */
public final class WakeMeter implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration REPORT = Duration.ofSeconds(5);

    private final KubernetesClient client;
    private final String namespace;
    private final String resource;
    private final Clock clock;
    private final Map<String, Long> podSeenAt = new ConcurrentHashMap<>();
    private final Map<String, Long> scheduledAt = new ConcurrentHashMap<>();
    private final SharedIndexInformer<Pod> pods;

    public WakeMeter(KubernetesClient client, String namespace, String resource, Clock clock) {
        this.client = client;
        this.namespace = namespace;
        this.resource = resource;
        this.clock = clock;
        this.pods = client.pods()
                .inNamespace(namespace)
                .withLabel(PodConventions.LABEL_MODEL, resource)
                .inform(new Sightings());
    }

    /** Microseconds since the epoch. */
    public long now() {
        return micros(clock);
    }

    /** Microseconds since the epoch, by that clock. */
    public static long micros(Clock clock) {
        return ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
    }

    /**
     * What happened between a request and its answer. The pod that answered must still be there.
     *
     * @throws IOException when the pod is gone, or its sidecar cannot be reached from here
     */
    public WakeTrace trace(long requestedAt, long answeredAt, List<Double> embedding)
            throws IOException, InterruptedException {
        Pod pod = pod()
                .orElseThrow(() -> new IOException("the pod that answered for " + resource + " is gone already"));
        String uid = pod.getMetadata().getUid();
        long seenAt = podSeenAt.getOrDefault(uid, requestedAt);
        return new WakeTrace(requestedAt, decidedAt(pod, requestedAt), seenAt, scheduledAt.getOrDefault(uid, seenAt),
                answeredAt, report(pod), embedding);
    }

    /** The model's pod that has an address. */
    public Optional<Pod> pod() {
        return client.pods()
                .inNamespace(namespace)
                .withLabel(PodConventions.LABEL_MODEL, resource)
                .list()
                .getItems()
                .stream()
                .filter(candidate -> candidate.getStatus().getPodIP() != null)
                .findFirst();
    }

    /** Returns once the model has no pod and says that it sleeps. */
    public void awaitAsleep(Duration patience) throws IOException {
        InferenceModel asleep = model().waitUntilCondition(model -> model != null && model.getStatus() != null
                && model.getStatus().replicas == 0 && model.getStatus().conditions.stream()
                        .anyMatch(condition -> "ScaledToZero".equals(condition.getReason())),
                patience.toSeconds(), TimeUnit.SECONDS);
        if (asleep == null) {
            throw new IOException(resource + " was deleted while somebody waited for it to sleep");
        }
    }

    private long decidedAt(Pod pod, long otherwise) {
        InferenceModel model = model().get();
        Activation activation = model == null || model.getStatus() == null ? null : model.getStatus().activation;
        String id = pod.getMetadata().getAnnotations().get(PodConventions.ANNOTATION_ACTIVATION);
        return activation == null || !activation.id().equals(id)
                ? otherwise
                : ChronoUnit.MICROS.between(Instant.EPOCH, Instant.parse(activation.startedAt()));
    }

    private static SidecarStatus report(Pod pod) throws IOException, InterruptedException {
        URI url = URI.create("http://" + pod.getStatus().getPodIP() + ":" + PodConventions.SIDECAR_PORT + "/status");
        try (HttpClient http = HttpClient.newBuilder().connectTimeout(REPORT).build()) {
            HttpRequest request = HttpRequest.newBuilder(url).timeout(REPORT).build();
            return JSON.readValue(http.send(request, HttpResponse.BodyHandlers.ofString()).body(),
                    SidecarStatus.class);
        } catch (java.net.ConnectException | java.net.http.HttpTimeoutException e) {
            throw new IOException("no sidecar answers at " + url
                    + ": run this where the addresses of pods can be reached, for example in a pod", e);
        }
    }

    private Resource<InferenceModel> model() {
        return client.resources(InferenceModel.class).inNamespace(namespace).withName(resource);
    }

    @Override
    public void close() {
        pods.close();
    }

    /** What was seen stays seen: a trace may be read after its pod began to end. */
    private final class Sightings implements ResourceEventHandler<Pod> {
        @Override
        public void onAdd(Pod pod) {
            long now = now();
            podSeenAt.putIfAbsent(pod.getMetadata().getUid(), now);
            if (pod.getSpec().getNodeName() != null) {
                scheduledAt.putIfAbsent(pod.getMetadata().getUid(), now);
            }
        }

        @Override
        public void onUpdate(Pod before, Pod after) {
            onAdd(after);
        }

        @Override
        public void onDelete(Pod pod, boolean finalStateUnknown) {
            // Nothing to note.
        }
    }
}
