package dev.dormouse.operator;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ListOptionsBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Function;

/**
 * The operator's figures: the operator is a process of its own, the API server runs in this one. {@code operator/bench}
 * says how to call it; every row it prints stands by itself, and goes into {@code docs/performance.md} as it is.
 */
public final class OperatorBench implements AutoCloseable {
    private static final String SLEEPING = "  scaling: {initialStart: Never, idleSeconds: 3600}\n  snapshot: {enabled: false}\n";
    private static final int WAKES = Integer.getInteger("bench.wakes", 100);
    private static final int CHANGES = Integer.getInteger("bench.changes", 200);
    private static final int STARTS = Integer.getInteger("bench.starts", 5);
    private static final int REST_SECONDS = Integer.getInteger("bench.rest", 60);
    private static final List<String> PARTS = List.of("start", "memory", "rest", "change", "wake", "together",
            "restart");

    private final TestCluster cluster = new TestCluster();
    private final Path folder = Files.createTempDirectory("operator-bench");
    private final Path app;
    private final List<String> flags;
    private OperatorProcess operator;
    private int created;

    private OperatorBench(Path app, List<String> flags) throws IOException, InterruptedException {
        this.app = app;
        this.flags = new ArrayList<>(flags);
        // Such as a recording: -XX:StartFlightRecording=...
        this.flags.addAll(List.of(System.getProperty("bench.flags", "").split(" ")));
        this.flags.removeIf(String::isBlank);
        Files.writeString(folder.resolve("kubeconfig"), cluster.kubeconfig());
        this.operator = new OperatorProcess(app, folder, this.flags);
    }

    /** @param arguments folder of the operator's jars, number of models, parts; without parts all of them */
    public static void main(String[] arguments) throws Exception {
        Path app = Path.of(arguments[0]);
        int models = Integer.parseInt(arguments[1]);
        List<String> parts = arguments.length == 2 ? PARTS : List.of(arguments).subList(2, arguments.length);
        if (!PARTS.containsAll(parts) || models < 2 * WAKES) {
            System.err.println("operator/bench: parts are " + PARTS + ", models at least " + 2 * WAKES);
            System.exit(2);
        }
        System.out.printf(Locale.ROOT, "%d cores, load %.1f, %d models%n%n| figure | value | goal |%n|---|---|---|%n",
                Runtime.getRuntime().availableProcessors(),
                ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage(), models);
        if (parts.contains("start")) {
            start(app);
        }
        if (parts.contains("memory")) {
            memory(app);
        }
        if (parts.stream().noneMatch(part -> PARTS.indexOf(part) > 1)) {
            return;
        }
        warmUp();
        try (OperatorBench bench = new OperatorBench(app, List.of("-Xmx1g"))) {
            long begin = System.nanoTime();
            bench.create(models);
            bench.awaitAsleep(models);
            say(models + " models created and told asleep", seconds(begin), "");
            for (String part : PARTS) {
                if (parts.contains(part)) {
                    bench.run(part, models);
                }
            }
        }
    }

    private void run(String part, int models) throws Exception {
        switch (part) {
            case "rest" -> rest(models);
            case "change" -> change(models);
            case "wake" -> wake();
            case "together" -> wakeTogether();
            case "restart" -> restart(models);
            default -> {
            }
        }
    }

    /** Start to first reconcile, plain and with an AOT cache that such a start trained. */
    private static void start(Path app) throws Exception {
        Path cache = Files.createTempDirectory("aot").resolve("operator.aot");
        try (OperatorBench bench = new OperatorBench(app, List.of("-Xmx256m"))) {
            bench.operator.close();
            bench.startOnce(List.of("-XX:AOTCacheOutput=" + cache));
            bench.operator.stop();
            for (String kind : List.of("plain", "AOT cache")) {
                List<String> more = kind.equals("plain") ? List.of() : List.of("-XX:AOTCache=" + cache);
                long[] wall = new long[STARTS];
                long[] cpu = new long[STARTS];
                for (int run = 0; run < STARTS; run++) {
                    wall[run] = bench.startOnce(more);
                    cpu[run] = bench.operator.cpu().toMillis();
                    bench.operator.close();
                }
                Arrays.sort(wall);
                Arrays.sort(cpu);
                say("process start to the first reconcile written, " + kind + ", median of " + STARTS,
                        "%d ms (%d–%d), %d ms of processor time".formatted(wall[STARTS / 2], wall[0], wall[STARTS - 1],
                                cpu[STARTS / 2]),
                        kind.equals("plain") ? "" : "≤ 1 s");
            }
        }
    }

    /** @return milliseconds */
    private long startOnce(List<String> more) throws Exception {
        String name = "m" + created;
        create(created + 1);
        List<String> all = new ArrayList<>(flags);
        all.addAll(more);
        long begin = System.nanoTime();
        operator = new OperatorProcess(app, folder, all);
        while (!cluster.ready(name).equals("True/ScaledToZero")) {
            Thread.sleep(2);
        }
        return (System.nanoTime() - begin) / 1_000_000;
    }

    private static void memory(Path app) throws Exception {
        try (OperatorBench small = new OperatorBench(app, List.of("-Xmx256m"))) {
            small.create(100);
            small.awaitAsleep(100);
            say("resident with 100 models, -Xmx256m", "%d MiB; %d threads, %d classes, %d MiB of heap reachable"
                    .formatted(small.operator.residentMiB(), small.operator.threads(), small.operator.classes(),
                            small.operator.heapMiB()),
                    "≤ 200 MiB");
        }
    }

    private void rest(int models) throws Exception {
        // What was written last may still be on its way.
        Thread.sleep(2_000);
        long before = version();
        Duration cpu = operator.cpu();
        Thread.sleep(REST_SECONDS * 1000L);
        say("API writes while " + models + " models sleep, " + REST_SECONDS + " s",
                "%d; %d ms of processor time".formatted(version() - before, operator.cpu().minus(cpu).toMillis()), "0");
        say("heap reachable with " + models + " models, -Xmx1g", "%d MiB; resident %d MiB, %d threads"
                .formatted(operator.heapMiB(), operator.residentMiB(), operator.threads()), "≤ 1 GiB");
    }

    /** From a changed spec to the status that tells it: observedGeneration, seen by a watcher. */
    private void change(int models) throws Exception {
        double[] millis = new double[CHANGES];
        Duration cpu = operator.cpu();
        double before = operator.metric("dormouse_reconcile_seconds_sum");
        double count = operator.metric("dormouse_reconcile_seconds_count");
        try (Seen<InferenceModel> told = Seen.models(cluster.client())) {
            for (int i = 0; i < CHANGES; i++) {
                String name = "m" + (models - 1 - i % Math.min(models - 2 * WAKES, 1000));
                long begin = System.nanoTime();
                long generation = cluster.client()
                        .resources(InferenceModel.class)
                        .inNamespace(TestCluster.NAMESPACE)
                        .withName(name)
                        .patch(PatchContext.of(PatchType.JSON_MERGE),
                                "{\"spec\":{\"scaling\":{\"idleSeconds\":" + (1000 + i) + "}}}")
                        .getMetadata()
                        .getGeneration();
                millis[i] = (told.await(name + "/" + generation) - begin) / 1e6;
            }
        }
        say("spec changed to status written, " + CHANGES + " one after the other, " + models + " models",
                percentiles(millis), "p99 ≤ 100 ms");
        double reconciles = operator.metric("dormouse_reconcile_seconds_count") - count;
        say("of that the reconcile itself, mean; processor time of the operator per change",
                String.format(Locale.ROOT, "%.1f ms; %.1f ms",
                        (operator.metric("dormouse_reconcile_seconds_sum") - before) * 1000 / reconciles,
                        operator.cpu().minus(cpu).toNanos() / 1e6 / CHANGES),
                "");
    }

    private void wake() throws Exception {
        double[] millis = new double[WAKES];
        Duration cpu = operator.cpu();
        try (Seen<Pod> pods = Seen.pods(cluster.client())) {
            for (int i = 0; i < WAKES; i++) {
                long begin = System.nanoTime();
                cluster.demand("m" + i, Clock.systemUTC().instant());
                millis[i] = (pods.await("m" + i) - begin) / 1e6;
            }
        }
        say("demand written to pod seen by a watcher, " + WAKES + " one after the other", percentiles(millis),
                "p99 ≤ 50 ms");
        say("processor time of the operator per wake", String.format(Locale.ROOT, "%.1f ms",
                operator.cpu().minus(cpu).toNanos() / 1e6 / WAKES), "");
    }

    private void wakeTogether() throws Exception {
        try (Seen<Pod> pods = Seen.pods(cluster.client()); ExecutorService threads = Executors.newFixedThreadPool(16)) {
            long begin = System.nanoTime();
            for (int i = WAKES; i < 2 * WAKES; i++) {
                String name = "m" + i;
                threads.execute(() -> cluster.demand(name, Clock.systemUTC().instant()));
            }
            long last = begin;
            for (int i = WAKES; i < 2 * WAKES; i++) {
                last = Math.max(last, pods.await("m" + i));
            }
            say(WAKES + " sleeping models woken at once, first demand to last pod",
                    String.format(Locale.ROOT, "%.2f s", (last - begin) / 1e9), "≤ 2 s");
        }
    }

    private void restart(int models) throws Exception {
        operator.close();
        long before = version();
        long begin = System.nanoTime();
        operator = new OperatorProcess(app, folder, flags);
        while (operator.metric("dormouse_reconcile_seconds_count") < models) {
            Thread.sleep(50);
        }
        say("killed and restarted: until every one of " + models + " models was reconciled",
                seconds(begin) + String.format(Locale.ROOT, "; %.1f s of processor time, %d API writes",
                        operator.cpu().toMillis() / 1e3, version() - before),
                "≤ 60 s");
    }

    /** The API server and the clients of this process take no part in a figure by being cold. */
    private static void warmUp() throws Exception {
        try (TestCluster other = new TestCluster(); Seen<Pod> pods = Seen.pods(other.client())) {
            for (int i = 0; i < 200; i++) {
                String name = "m" + i;
                other.create(name, SLEEPING);
                other.demand(name, Clock.systemUTC().instant());
                other.client()
                        .pods()
                        .inNamespace(TestCluster.NAMESPACE)
                        .resource(new PodBuilder().withNewMetadata()
                                .withName(name)
                                .addToLabels(PodConventions.LABEL_MODEL, name)
                                .endMetadata()
                                .withNewSpec()
                                .addNewContainer()
                                .withName("engine")
                                .withImage("engine:1")
                                .endContainer()
                                .endSpec()
                                .build())
                        .create();
                pods.await(name);
            }
        }
    }

    /** Adds models until there are so many. */
    private void create(int models) throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Future<?>> all = new ArrayList<>();
            for (; created < models; created++) {
                String name = "m" + created;
                all.add(threads.submit(() -> cluster.create(name, SLEEPING)));
            }
            for (Future<?> one : all) {
                one.get();
            }
        }
    }

    private void awaitAsleep(int models) throws Exception {
        while (operator.metric("dormouse_models{ready=\"True\",reason=\"ScaledToZero\"}") < models) {
            Thread.sleep(50);
        }
    }

    /** Every write to the API server is one version. */
    private long version() {
        return Long.parseLong(cluster.client()
                .pods()
                .inNamespace(TestCluster.NAMESPACE)
                .list()
                .getMetadata()
                .getResourceVersion());
    }

    @Override
    public void close() throws InterruptedException {
        operator.close();
        cluster.close();
    }

    private static String percentiles(double[] millis) {
        double[] sorted = millis.clone();
        Arrays.sort(sorted);
        return String.format(Locale.ROOT, "p50 %.1f, p99 %.1f, max %.1f ms", sorted[sorted.length / 2],
                sorted[Math.ceilDiv(sorted.length * 99, 100) - 1], sorted[sorted.length - 1]);
    }

    private static String seconds(long begin) {
        return String.format(Locale.ROOT, "%.1f s", (System.nanoTime() - begin) / 1e9);
    }

    private static void say(String what, String value, String goal) {
        System.out.println("| " + what + " | " + value + " | " + goal + " |");
    }

    /** When something was first seen, in nanoseconds of this JVM. */
    private static final class Seen<T extends HasMetadata> implements Watcher<T>, AutoCloseable {
        private final Map<String, Long> seen = new ConcurrentHashMap<>();
        private final Function<T, String> what;
        private Watch watch = () -> {
        };

        private Seen(Function<T, String> what) {
            this.what = what;
        }

        /** The first pod of each model, by the model's name. */
        static Seen<Pod> pods(KubernetesClient client) {
            Seen<Pod> seen = new Seen<>(
                    pod -> pod.getMetadata().getLabels().getOrDefault(PodConventions.LABEL_MODEL, ""));
            seen.watch = client.pods()
                    .inNamespace(TestCluster.NAMESPACE)
                    .withLabel(PodConventions.LABEL_MODEL)
                    .watch(seen);
            return seen;
        }

        /** Each generation that a status tells, as {@code name/generation}. */
        static Seen<InferenceModel> models(KubernetesClient client) {
            Seen<InferenceModel> seen = new Seen<>(model -> model.getMetadata().getName() + "/"
                    + (model.getStatus() == null ? "-" : String.valueOf(model.getStatus().observedGeneration)));
            var models = client.resources(InferenceModel.class).inNamespace(TestCluster.NAMESPACE);
            String now = models.list(new ListOptionsBuilder().withLimit(1L).build())
                    .getMetadata()
                    .getResourceVersion();
            seen.watch = models.watch(new ListOptionsBuilder().withResourceVersion(now).build(), seen);
            return seen;
        }

        long await(String key) {
            while (!seen.containsKey(key)) {
                LockSupport.parkNanos(200_000);
            }
            return seen.getOrDefault(key, 0L);
        }

        @Override
        public void eventReceived(Action action, T object) {
            seen.putIfAbsent(what.apply(object), System.nanoTime());
        }

        @Override
        public void onClose(WatcherException cause) {
            // The bench would wait for ever, and says nothing: that is seen.
        }

        @Override
        public void close() {
            watch.close();
        }
    }
}
