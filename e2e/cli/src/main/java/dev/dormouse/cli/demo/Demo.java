package dev.dormouse.cli.demo;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus.Activation;
import dev.dormouse.cli.figures.Figure;
import dev.dormouse.cli.local.LocalCluster;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarStatus;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.Resource;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** The main job, once, on a cluster that runs: cold start, sleep, wake from the snapshot. */
public final class Demo {
    public static final String MODEL = "all-minilm-l6-v2";
    private static final String NAMESPACE = "default";
    private static final String RESOURCE = "minilm";
    private static final String SENTENCE = "A dormouse sleeps for seven months and wakes when the sun does.";
    private static final Duration PATIENCE = Duration.ofMinutes(3);
    private static final int READS = 5;

    private static final ObjectMapper JSON = new ObjectMapper();

    private final LocalCluster cluster;
    private final Clock clock;
    private final Consumer<String> say;
    private final Map<String, Long> podSeenAt = new ConcurrentHashMap<>();

    public Demo(LocalCluster cluster, Clock clock, Consumer<String> say) {
        this.cluster = cluster;
        this.clock = clock;
        this.say = say;
    }

    /** What the demo measured. */
    public record Outcome(WakeTrace cold, WakeTrace restore, double plainReadRate) {

        public String table() {
            return DemoReport.render(cold, restore);
        }

        public List<Figure> figures() {
            List<Figure> figures = new ArrayList<>();
            figures.add(Figure.lower("demo.cold.answer", cold.totalMicros() / 1e3, "ms", null));
            figures.add(Figure.lower("demo.restore.answer", restore.totalMicros() / 1e3, "ms", null));
            for (String phase : dev.dormouse.sidecar.api.PhaseTiming.NAMES) {
                figures.add(Figure.lower("demo.cold." + phase, cold.phaseMicros(phase) / 1e3, "ms", null));
                figures.add(Figure.lower("demo.restore." + phase, restore.phaseMicros(phase) / 1e3, "ms", null));
            }
            figures.add(Figure.higher("demo.restore.rate", restore.restoreRate() / 1e9, "GB/s", plainReadRate / 1e9,
                    null));
            figures.add(Figure.lower("demo.answers.distance", cold.distance(restore), "absolute", 0.0));
            return figures;
        }
    }

    /**
     * @param example the sample model's YAML
     * @throws IOException when an answer is not 200 or a state does not come; the message says which
     */
    public Outcome run(Path example) throws IOException, InterruptedException {
        KubernetesClient client = cluster.client();
        try (EmbeddingClient user = new EmbeddingClient(cluster.gateway());
                var pods = client.pods()
                        .inNamespace(NAMESPACE)
                        .withLabel(PodConventions.LABEL_MODEL, RESOURCE)
                        .inform(new PodWatcher(this));
                var models = client.resources(InferenceModel.class)
                        .inNamespace(NAMESPACE)
                        .inform(new Narrator(say))) {
            say.accept("kubectl apply -f " + cluster.home().relativize(example));
            cluster.apply(example);
            awaitKnown(user);
            say.accept("a client asks the sleeping model; the gateway holds the request");
            WakeTrace cold = ask(user);
            say.accept("answered after a cold start");
            awaitAsleep();
            say.accept("the model sleeps: no pod, no GPU; a client asks again");
            WakeTrace restore = ask(user);
            say.accept("answered after a restore");
            return new Outcome(cold, restore, plainReadRate());
        }
    }

    private WakeTrace ask(EmbeddingClient user) throws IOException, InterruptedException {
        long requestedAt = micros();
        List<Double> answer = user.embed(MODEL, SENTENCE, PATIENCE);
        long answeredAt = micros();
        Pod pod = cluster.client()
                .pods()
                .inNamespace(NAMESPACE)
                .withLabel(PodConventions.LABEL_MODEL, RESOURCE)
                .list()
                .getItems()
                .stream()
                .filter(candidate -> candidate.getStatus().getPodIP() != null)
                .findFirst()
                .orElseThrow(() -> new IOException("the pod that answered is gone already"));
        long seenAt = podSeenAt.getOrDefault(pod.getMetadata().getUid(), requestedAt);
        return new WakeTrace(requestedAt, decidedAt(pod, requestedAt), seenAt, answeredAt, report(pod), answer);
    }

    private long decidedAt(Pod pod, long otherwise) {
        InferenceModel model = model().get();
        Activation activation = model.getStatus() == null ? null : model.getStatus().activation;
        String id = pod.getMetadata().getAnnotations().get(PodConventions.ANNOTATION_ACTIVATION);
        return activation == null || !activation.id().equals(id)
                ? otherwise
                : ChronoUnit.MICROS.between(Instant.EPOCH, Instant.parse(activation.startedAt()));
    }

    private static SidecarStatus report(Pod pod) throws IOException, InterruptedException {
        URI url = URI.create("http://" + pod.getStatus().getPodIP() + ":" + PodConventions.SIDECAR_PORT + "/status");
        try (HttpClient http = HttpClient.newHttpClient()) {
            HttpRequest request = HttpRequest.newBuilder(url).timeout(Duration.ofSeconds(5)).build();
            return JSON.readValue(http.send(request, HttpResponse.BodyHandlers.ofString()).body(),
                    SidecarStatus.class);
        }
    }

    /** The gateway answers 404 for a model it has not seen yet; wait until it lists this one. */
    private static void awaitKnown(EmbeddingClient user) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!user.models().contains(MODEL)) {
            if (System.nanoTime() > deadline) {
                throw new IOException("the gateway does not list " + MODEL);
            }
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }

    private void awaitAsleep() throws IOException {
        InferenceModel asleep = model().waitUntilCondition(model -> model != null && model.getStatus() != null
                && model.getStatus().replicas == 0 && model.getStatus().conditions.stream()
                        .anyMatch(condition -> "ScaledToZero".equals(condition.getReason())),
                PATIENCE.toSeconds(), TimeUnit.SECONDS);
        if (asleep == null) {
            throw new IOException(RESOURCE + " was deleted while the demo waited for it to sleep");
        }
    }

    private Resource<InferenceModel> model() {
        return cluster.client().resources(InferenceModel.class).inNamespace(NAMESPACE).withName(RESOURCE);
    }

    /** Bytes per second of reading the snapshot's packs without any work on them: the limit of a restore from here. */
    private double plainReadRate() throws IOException {
        List<Path> packs;
        try (Stream<Path> files = Files.walk(cluster.claimFolder(NAMESPACE, RESOURCE + "-snapshots"))) {
            packs = files.filter(file -> file.toString().endsWith(".pack")).toList();
        }
        double[] rates = new double[READS];
        ByteBuffer buffer = ByteBuffer.allocateDirect(4 << 20);
        for (int i = 0; i < READS; i++) {
            long bytes = 0;
            long start = System.nanoTime();
            for (Path pack : packs) {
                try (FileChannel channel = FileChannel.open(pack)) {
                    for (int read; (read = channel.read(buffer.clear())) >= 0;) {
                        bytes += read;
                    }
                }
            }
            rates[i] = bytes * 1e9 / (System.nanoTime() - start);
        }
        Arrays.sort(rates);
        return rates[READS / 2];
    }

    void saw(Pod pod) {
        podSeenAt.putIfAbsent(pod.getMetadata().getUid(), micros());
    }

    private long micros() {
        return ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
    }
}
