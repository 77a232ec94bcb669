package dev.dormouse.cli.demo;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.cli.figures.Figure;
import dev.dormouse.cli.local.LocalCluster;
import dev.dormouse.cli.wake.PlainRead;
import dev.dormouse.cli.wake.WakeMeter;
import dev.dormouse.cli.wake.WakeTrace;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** The main job, once, on a cluster that runs: cold start, sleep, wake from the snapshot. */
public final class Demo {
    public static final String MODEL = "all-minilm-l6-v2";
    private static final String NAMESPACE = "default";
    private static final String RESOURCE = "minilm";
    private static final String SENTENCE = "A dormouse sleeps for seven months and wakes when the sun does.";
    private static final Duration PATIENCE = Duration.ofMinutes(3);

    private final LocalCluster cluster;
    private final Clock clock;
    private final Consumer<String> say;

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
                WakeMeter meter = new WakeMeter(client, NAMESPACE, RESOURCE, clock);
                var models = client.resources(InferenceModel.class)
                        .inNamespace(NAMESPACE)
                        .inform(new Narrator(say))) {
            say.accept("kubectl apply -f " + cluster.home().relativize(example));
            cluster.apply(example);
            awaitKnown(user);
            say.accept("a client asks the sleeping model; the gateway holds the request");
            WakeTrace cold = ask(user, meter);
            say.accept("answered after a cold start");
            meter.awaitAsleep(PATIENCE);
            say.accept("the model sleeps: no pod, no GPU; a client asks again");
            WakeTrace restore = ask(user, meter);
            say.accept("answered after a restore");
            return new Outcome(cold, restore,
                    PlainRead.rate(cluster.claimFolder(NAMESPACE, RESOURCE + "-snapshots")));
        }
    }

    /** The same, unmeasured, until the model sleeps again and its processes have ended in peace. */
    public void rehearse(Path example) throws IOException, InterruptedException {
        try (EmbeddingClient user = new EmbeddingClient(cluster.gateway());
                WakeMeter meter = new WakeMeter(cluster.client(), NAMESPACE, RESOURCE, clock)) {
            cluster.apply(example);
            awaitKnown(user);
            for (int wake = 0; wake < 2; wake++) {
                user.embed(MODEL, SENTENCE, PATIENCE);
                meter.awaitAsleep(PATIENCE);
            }
        }
    }

    private static WakeTrace ask(EmbeddingClient user, WakeMeter meter) throws IOException, InterruptedException {
        long requestedAt = meter.now();
        List<Double> answer = user.embed(MODEL, SENTENCE, PATIENCE);
        return meter.trace(requestedAt, meter.now(), answer);
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
}
