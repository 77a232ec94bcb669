package dev.dormouse.cli.bench.run;

import dev.dormouse.cli.bench.Measurement;
import dev.dormouse.cli.figures.Figure.Better;
import dev.dormouse.cli.demo.EmbeddingClient;
import dev.dormouse.cli.wake.PlainRead;
import dev.dormouse.cli.wake.WakeMeter;
import dev.dormouse.cli.wake.WakeTrace;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Measures fresh starts of copies of a model: each one a pod that did not exist before. One start at a time, and nothing is
 * asked of the cluster between a request and its answer but the watch on the copy's pods.
 */
public final class ModelBench implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofMinutes(15);
    private static final Duration LOOK = Duration.ofMillis(20);

    private final KubernetesClient client;
    private final URI gateway;
    private final String namespace;
    private final GenericKubernetesResource model;
    private final ModelRequest request;
    private final Clock clock;
    private final Consumer<String> say;
    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final EmbeddingClient user;
    private final Samples samples = new Samples();
    private final Set<String> podsSeen = new HashSet<>();
    private BiFunction<String, String, Optional<Path>> claims = (namespace, claim) -> Optional.empty();
    private WarmVisit visit = pod -> {
    };

    /** Called once with a pod that is awake, outside of what is measured. */
    @FunctionalInterface
    public interface WarmVisit {
        void look(Pod pod) throws IOException, InterruptedException;
    }

    /** @param say gets a line per start */
    public ModelBench(KubernetesClient client, URI gateway, String namespace, GenericKubernetesResource model,
            ModelRequest request, Clock clock, Consumer<String> say) {
        this.client = client;
        this.gateway = gateway;
        this.user = new EmbeddingClient(gateway);
        this.namespace = namespace;
        this.model = model;
        this.request = request;
        this.clock = clock;
        this.say = say;
    }

    /** Where a claim's bytes lie on this machine: with it, a restore is also held against a plain read. */
    public ModelBench withClaims(BiFunction<String, String, Optional<Path>> folders) {
        claims = folders;
        return this;
    }

    public ModelBench visiting(WarmVisit warm) {
        visit = warm;
        return this;
    }

    /**
     * @param run makes the copies' names unique
     * @throws IOException when a start fails; the copies are deleted all the same
     */
    public Map<String, Measurement> run(String run, BenchPlan plan) throws IOException, InterruptedException {
        if (plan.kinds().contains(Kind.Cold)) {
            for (int i = 0; i < plan.warmups() + plan.starts(); i++) {
                cold("bench-" + run + "-" + i, i, plan);
            }
        }
        if (!plan.kinds().equals(Set.of(Kind.Cold))) {
            warmedUp("bench-" + run + "-r", plan);
        }
        return samples.measurements();
    }

    private void cold(String name, int start, BenchPlan plan) throws IOException, InterruptedException {
        try (ModelCopy copy = ModelCopy.create(client, namespace, model, name, 1);
                WakeMeter meter = new WakeMeter(client, namespace, copy.name(), clock)) {
            awaitKnown(copy.name());
            sample(Kind.Cold, start, plan, wake(copy, meter, 1));
        }
    }

    private void warmedUp(String name, BenchPlan plan) throws IOException, InterruptedException {
        try (ModelCopy copy = ModelCopy.create(client, namespace, model, name, plan.clients());
                WakeMeter meter = new WakeMeter(client, namespace, copy.name(), clock)) {
            awaitKnown(copy.name());
            say.accept("taking the snapshot that the next starts restore");
            wake(copy, meter, 1);
            for (Kind kind : List.of(Kind.Restore, Kind.Load)) {
                if (plan.kinds().contains(kind)) {
                    for (int i = 0; i < plan.warmups() + plan.starts(); i++) {
                        meter.awaitAsleep(PATIENCE);
                        WakeTrace wake = wake(copy, meter, kind == Kind.Load ? plan.clients() : 1);
                        mustHaveRestored(wake);
                        sample(kind, i, plan, wake);
                    }
                }
            }
            if (plan.kinds().contains(Kind.Gateway)) {
                meter.awaitAsleep(PATIENCE);
                throughAndPast(copy, meter, plan);
            }
            limits(copy, meter, plan);
        }
    }

    private WakeTrace wake(ModelCopy copy, WakeMeter meter, int clients) throws IOException, InterruptedException {
        long requestedAt = meter.now();
        ask(copy.name(), clients);
        WakeTrace wake = meter.trace(requestedAt, meter.now(), List.of());
        if (!podsSeen.add(wake.sidecar().podUid())) {
            throw new IOException("pod " + wake.sidecar().podUid() + " of " + copy.name()
                    + " answered twice: that was no fresh start");
        }
        return wake;
    }

    private void ask(String name, int clients) throws IOException, InterruptedException {
        if (clients == 1) {
            request.send(http, gateway, name);
            return;
        }
        try (ExecutorService crowd = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<@Nullable Void>> asked = IntStream.range(0, clients)
                    .mapToObj(client -> crowd.<@Nullable Void>submit(() -> {
                        request.send(http, gateway, name);
                        return null;
                    }))
                    .toList();
            for (Future<@Nullable Void> each : asked) {
                each.get();
            }
        } catch (ExecutionException e) {
            throw new IOException("a client of " + clients + " was not served: " + e.getCause(), e);
        }
    }

    private void sample(Kind kind, int start, BenchPlan plan, WakeTrace wake) {
        boolean counts = start >= plan.warmups();
        samples.wake(kind, counts, wake);
        say.accept(String.format(Locale.ROOT, "%-8s %s: %,.1f ms", kind.name().toLowerCase(Locale.ROOT),
                counts ? "%d/%d".formatted(start - plan.warmups() + 1, plan.starts()) : "warm-up",
                wake.totalMicros() / 1e3));
    }

    /** Anything else would be a cold start under the name of a restore. */
    private static void mustHaveRestored(WakeTrace wake) throws IOException {
        if (wake.restoreRate() == 0) {
            throw new IOException("a start was no restore: snapshot " + wake.sidecar().snapshot().state() + ", "
                    + wake.sidecar().snapshot().reason() + ": " + wake.sidecar().snapshot().message());
        }
    }

    /** In turns, so that what disturbs the machine disturbs both. */
    private void throughAndPast(ModelCopy copy, WakeMeter meter, BenchPlan plan)
            throws IOException, InterruptedException {
        request.send(http, gateway, copy.name());
        URI engine = engine(meter.pod().orElseThrow(() -> new IOException(copy.name() + " has no pod")));
        for (int i = 0; i < plan.warmups() + plan.requests(); i++) {
            boolean counts = i >= plan.warmups();
            long past = timed(engine, copy.name());
            long through = timed(gateway, copy.name());
            samples.millis("gateway.direct", counts, past);
            samples.millis("gateway.through", counts, through);
            samples.add("gateway.through_to_direct", "ratio", Better.Lower, counts, (double) through / past);
        }
        say.accept(String.format(Locale.ROOT, "gateway  %d requests through it, %d past it", plan.requests(),
                plan.requests()));
    }

    private long timed(URI base, String name) throws IOException, InterruptedException {
        long begin = System.nanoTime();
        request.send(http, base, name);
        return (System.nanoTime() - begin) / 1_000;
    }

    private URI engine(Pod pod) {
        int port = pod.getSpec()
                .getContainers()
                .stream()
                .filter(container -> container.getName().equals(PodConventions.ENGINE_CONTAINER))
                .flatMap(container -> container.getPorts().stream())
                .filter(each -> PodConventions.ENGINE_PORT_NAME.equals(each.getName()))
                .mapToInt(each -> each.getContainerPort())
                .findFirst()
                .orElse(PodConventions.ENGINE_PORT);
        return URI.create("http://" + pod.getStatus().getPodIP() + ":" + port);
    }

    /** What this machine can do at best, and what can be seen of a pod that is awake; none of it is timed with a start. */
    private void limits(ModelCopy copy, WakeMeter meter, BenchPlan plan) throws IOException, InterruptedException {
        Optional<Path> volume = claims.apply(namespace, copy.snapshots());
        if (volume.isPresent() && plan.kinds().contains(Kind.Restore)) {
            double read = PlainRead.rate(volume.get());
            samples.add("restore.plain_read", "GB/s", Better.Higher, true, read / 1e9);
            Measurement rate = samples.measurements().get("restore.rate");
            if (rate != null) {
                rate.samples()
                        .forEach(each -> samples.add("restore.of_plain_read", "ratio", Better.Higher, true,
                                each * 1e9 / read));
            }
        }
        request.send(http, gateway, copy.name());
        visit.look(meter.pod().orElseThrow(() -> new IOException(copy.name() + " has no pod")));
    }

    /** The gateway answers 404 for a model it has not seen yet. */
    private void awaitKnown(String name) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!user.models().contains(name)) {
            if (System.nanoTime() > deadline) {
                throw new IOException("the gateway at " + gateway + " does not list " + name);
            }
            TimeUnit.NANOSECONDS.sleep(LOOK.toNanos());
        }
    }

    @Override
    public void close() {
        user.close();
        http.close();
    }
}
