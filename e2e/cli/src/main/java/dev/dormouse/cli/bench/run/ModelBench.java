package dev.dormouse.cli.bench.run;

import dev.dormouse.cli.bench.Measurement;
import dev.dormouse.cli.bench.run.BenchPlan.PageCache;
import dev.dormouse.cli.figures.Figure.Better;
import dev.dormouse.cli.wake.WakeMeter;
import dev.dormouse.cli.wake.WakeTrace;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.net.http.HttpClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Measures fresh starts of copies of a model: each one a pod that did not exist before. One start at a time, and nothing is
 * asked of the cluster between a request and its answer but the watch on the copy's pods.
 */
public final class ModelBench implements AutoCloseable {
    /** How long a copy may take to fall asleep; a start has the plan's timeout. */
    private static final Duration PATIENCE = Duration.ofMinutes(15);

    private final Site site;
    private final String run;
    private final GenericKubernetesResource model;
    private final ModelRequest request;
    private final BenchPlan plan;
    private final HttpClient http = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final Samples samples = new Samples();
    private final Set<String> podsSeen = new HashSet<>();
    private final Limits limits;
    private WarmVisit visit = pod -> {
    };
    /** The copy with the snapshot, which the restores share. */
    private @Nullable ModelCopy restored;

    /** Called once with a pod that is awake, outside of what is measured. */
    @FunctionalInterface
    public interface WarmVisit {
        void look(Pod pod) throws IOException, InterruptedException;
    }

    /** @param run makes the copies' names unique */
    public ModelBench(Site site, String run, GenericKubernetesResource model, ModelRequest request, BenchPlan plan) {
        this.site = site;
        this.run = run;
        this.model = model;
        this.request = request;
        this.plan = plan;
        this.limits = new Limits(site, model, plan, samples);
        if (plan.pageCache() == PageCache.Drop && SourceFiles.of(site, model).isEmpty()) {
            throw new IllegalArgumentException(
                    "the page cache cannot be dropped: the model's files are not on this machine");
        }
    }

    public ModelBench visiting(WarmVisit warm) {
        visit = warm;
        return this;
    }

    /**
     * All that the plan asks for, to be taken in this order, each once. Kinds that are held against each other take turns:
     * what disturbs the machine for a while disturbs all of them.
     */
    public List<Step> steps() {
        List<Step> steps = new ArrayList<>();
        if (plan.restores()) {
            steps.add(this::takeSnapshot);
        }
        for (int i = 0; i < plan.rounds(); i++) {
            int start = i;
            if (plan.has(Kind.Cold)) {
                steps.add(() -> cold(start));
            }
            for (Kind kind : List.of(Kind.Restore, Kind.Bare)) {
                if (plan.has(kind)) {
                    steps.add(() -> restore(kind, start));
                }
            }
        }
        if (plan.has(Kind.Load)) {
            IntStream.range(0, plan.rounds()).forEach(i -> steps.add(() -> restore(Kind.Load, i)));
        }
        if (plan.has(Kind.Gateway)) {
            steps.add(this::throughAndPast);
        }
        if (plan.has(Kind.Scheduler)) {
            steps.add(() -> new SchedulerTurns(site, model, samples).measure(run, plan));
        }
        if (plan.restores() || plan.has(Kind.Cold)) {
            steps.add(this::holdAgainstLimits);
        }
        return List.copyOf(steps);
    }

    /** Of the steps taken so far. */
    public Map<String, Measurement> measurements() {
        return samples.measurements();
    }

    /** What was found of the files that starts read, for the environment: kept or dropped, and what was resident. */
    public Map<String, String> pageCache() {
        return limits.pageCache();
    }

    private void cold(int start) throws IOException, InterruptedException {
        try (ModelCopy copy = ModelCopy.create(site, model, run, Integer.toString(start), 1, plan.timeout())) {
            limits.beforeCold(start >= plan.warmups());
            try (WakeMeter meter = meter(copy)) {
                sample(Kind.Cold, start, wake(copy, meter, 1));
            }
            if (start == plan.rounds() - 1 && !plan.restores()) {
                look(copy);
            }
        }
    }

    private void takeSnapshot() throws IOException, InterruptedException {
        ModelCopy copy = ModelCopy.create(site, model, run, "r", plan.clients(), plan.timeout());
        restored = copy;
        site.say().accept("taking the snapshot that the next starts restore");
        try (WakeMeter meter = meter(copy)) {
            wake(copy, meter, 1);
        }
        awaitAsleep(copy);
    }

    private void restore(Kind kind, int start) throws IOException, InterruptedException {
        ModelCopy copy = copy();
        limits.beforeRestore(kind, start >= plan.warmups(), copy);
        WakeTrace wake = kind == Kind.Bare ? unwatched(copy) : watched(copy, kind == Kind.Load ? plan.clients() : 1);
        mustHaveRestored(wake);
        sample(kind, start, wake);
        awaitAsleep(copy); // Here and not before the next start: that one may be another bench's.
    }

    private WakeTrace watched(ModelCopy copy, int clients) throws IOException, InterruptedException {
        try (WakeMeter meter = meter(copy)) {
            return wake(copy, meter, clients);
        }
    }

    private WakeTrace unwatched(ModelCopy copy) throws IOException, InterruptedException {
        long requestedAt = WakeMeter.micros(site.clock());
        ask(copy, 1);
        long answeredAt = WakeMeter.micros(site.clock());
        try (WakeMeter meter = meter(copy)) {
            return fresh(copy, meter.trace(requestedAt, answeredAt, List.of()));
        }
    }

    private WakeTrace wake(ModelCopy copy, WakeMeter meter, int clients) throws IOException, InterruptedException {
        long requestedAt = meter.now();
        ask(copy, clients);
        return fresh(copy, meter.trace(requestedAt, meter.now(), List.of()));
    }

    private WakeTrace fresh(ModelCopy copy, WakeTrace wake) throws IOException {
        if (!podsSeen.add(wake.sidecar().podUid())) {
            throw new IOException("pod " + wake.sidecar().podUid() + " of " + copy.name()
                    + " answered twice: that was no fresh start");
        }
        return wake;
    }

    private void ask(ModelCopy copy, int clients) throws IOException, InterruptedException {
        try {
            if (clients == 1) {
                request.send(http, site.gateway(), copy.name(), plan.timeout());
            } else {
                crowd(copy.name(), clients);
            }
        } catch (IOException e) {
            throw new IOException((e.getMessage() == null ? e.toString() : e.getMessage()) + copy.lastWords(), e);
        }
    }

    private void crowd(String name, int clients) throws IOException, InterruptedException {
        try (ExecutorService crowd = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<@Nullable Void>> asked = IntStream.range(0, clients)
                    .mapToObj(client -> crowd.<@Nullable Void>submit(() -> {
                        request.send(http, site.gateway(), name, plan.timeout());
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

    private void sample(Kind kind, int start, WakeTrace wake) {
        boolean counts = start >= plan.warmups();
        if (kind == Kind.Bare) {
            samples.millis("bare.total", counts, wake.totalMicros());
        } else {
            samples.wake(kind, counts, wake);
        }
        site.say()
                .accept(String.format(Locale.ROOT, "%-8s %s: %,.1f ms", kind.name().toLowerCase(Locale.ROOT),
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

    private void throughAndPast() throws IOException, InterruptedException {
        ModelCopy copy = copy();
        copy.sleepsAfter(ModelCopy.AWAKE);
        ask(copy, 1);
        try (WakeMeter meter = meter(copy)) {
            new GatewayTurns(site, request, http, samples).measure(copy.name(), pod(meter), plan);
        }
        copy.sleepsAfter(ModelCopy.SLEEPY);
        awaitAsleep(copy);
    }

    /** Starts over their limits, and what can be seen of a pod that is awake; none of it is timed with a start. */
    private void holdAgainstLimits() throws IOException, InterruptedException {
        limits.ratios();
        if (restored != null) {
            look(restored);
        }
    }

    private void look(ModelCopy copy) throws IOException, InterruptedException {
        copy.sleepsAfter(ModelCopy.AWAKE);
        ask(copy, 1);
        try (WakeMeter meter = meter(copy)) {
            Pod pod = pod(meter);
            visit.look(pod);
            ImagePulls.millis(site.client(), pod)
                    .ifPresent(millis -> samples.add("image_pull", "ms", Better.Lower, true, millis));
        }
    }

    private ModelCopy copy() {
        if (restored == null) {
            throw new IllegalStateException("steps are taken in order, and the snapshot comes first");
        }
        return restored;
    }

    private void awaitAsleep(ModelCopy copy) throws IOException {
        try (WakeMeter meter = meter(copy)) {
            meter.awaitAsleep(PATIENCE);
        }
    }

    private WakeMeter meter(ModelCopy copy) {
        return new WakeMeter(site.client(), site.namespace(), copy.name(), site.clock());
    }

    private static Pod pod(WakeMeter meter) throws IOException {
        return meter.pod().orElseThrow(() -> new IOException("the model that just answered has no pod"));
    }

    /** Deletes the copy that is still there. */
    @Override
    public void close() {
        try {
            if (restored != null) {
                restored.close();
                restored = null;
            }
        } finally {
            http.close();
        }
    }
}
