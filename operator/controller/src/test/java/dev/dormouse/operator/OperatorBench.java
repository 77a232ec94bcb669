package dev.dormouse.operator;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The operator's figures: the operator is a process of its own, the API server runs in this one. {@code operator/bench
 * [MODELS]} prints them.
 */
public final class OperatorBench implements AutoCloseable {
    private static final Pattern PROBES = Pattern.compile("probes and metrics on 127\\.0\\.0\\.1:(\\d+)");
    private static final String SLEEPING = "  scaling: {initialStart: Never, idleSeconds: 3600}\n  snapshot: {enabled: false}\n";

    private final TestCluster cluster = new TestCluster();
    private final Path folder = Files.createTempDirectory("operator-bench");
    private final HttpClient http = HttpClient.newHttpClient();
    private final Path app;
    private final List<String> flags;
    private Process process;
    private int port;

    private OperatorBench(Path app, List<String> flags) throws IOException, InterruptedException {
        this.app = app;
        this.flags = flags;
        Files.writeString(folder.resolve("kubeconfig"), cluster.kubeconfig());
        this.process = launch(List.of());
    }

    public static void main(String[] arguments) throws Exception {
        Path app = Path.of(arguments[0]);
        int models = Integer.parseInt(arguments[1]);
        start(app);
        try (OperatorBench small = new OperatorBench(app, List.of("-Xmx256m", "-XX:+UseSerialGC"))) {
            small.create(0, 100);
            small.awaitKnown(100);
            say("resident with 100 models, -Xmx256m, serial collector", small.residentMiB() + " MiB");
        }
        try (OperatorBench bench = new OperatorBench(app, List.of("-Xmx1g"))) {
            long created = bench.create(0, models);
            bench.awaitKnown(models);
            say(models + " models created and told asleep", seconds(created));
            say("demand written to pod seen by a watcher, 100 one after the other", bench.wakes(0, 100));
            say("100 sleeping models woken at once, first demand to last pod", bench.wakeTogether(100, 200));
            bench.atRest(models, Integer.getInteger("rest.seconds", 60));
            bench.restart(models);
        }
    }

    /** Start to first reconcile, plain and with an AOT cache trained by such a start. */
    private static void start(Path app) throws Exception {
        Path cache = Files.createTempDirectory("aot").resolve("operator.aot");
        for (String kind : List.of("train", "plain", "AOT cache")) {
            List<Long> times = new ArrayList<>();
            for (int run = 0; run < (kind.equals("train") ? 1 : 5); run++) {
                List<String> more = switch (kind) {
                    case "train" -> List.of("-XX:AOTCacheOutput=" + cache);
                    case "plain" -> List.of();
                    default -> List.of("-XX:AOTCache=" + cache);
                };
                try (OperatorBench bench = new OperatorBench(app, List.of("-Xmx256m", "-XX:+UseSerialGC"))) {
                    bench.create(0, 1);
                    bench.awaitKnown(1);
                    bench.kill(kind.equals("train"));
                    bench.create(1, 2);
                    long begin = System.nanoTime();
                    bench.process = bench.launch(more);
                    bench.awaitKnown(2);
                    times.add((System.nanoTime() - begin) / 1_000_000);
                    if (kind.equals("train")) {
                        bench.kill(true);
                    }
                }
            }
            times.sort(Long::compare);
            if (!kind.equals("train")) {
                say("process start to the first reconcile written, " + kind + ", median of 5",
                        times.get(2) + " ms " + times);
            }
        }
    }

    private Process launch(List<String> more) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(flags);
        command.addAll(more);
        try (var jars = Files.list(app)) {
            command.addAll(List.of("-cp",
                    String.join(":", jars.map(Path::toString).filter(jar -> jar.endsWith(".jar")).sorted().toList())));
        }
        command.add(OperatorMain.class.getName());
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment()
                .putAll(Map.of("KUBECONFIG", folder.resolve("kubeconfig").toString(), "DORMOUSE_BIND", "127.0.0.1",
                        "DORMOUSE_HTTP_PORT", "0", "DORMOUSE_LEADER_ELECTION", "false",
                        "DORMOUSE_WARMUP_MAX_CONCURRENT", "10000"));
        Path output = folder.resolve("output");
        Files.deleteIfExists(output);
        Process started = builder.redirectErrorStream(true).redirectOutput(output.toFile()).start();
        while (true) {
            Matcher probes = PROBES.matcher(Files.exists(output) ? Files.readString(output) : "");
            if (probes.find()) {
                port = Integer.parseInt(probes.group(1));
                return started;
            }
            if (!started.isAlive()) {
                throw new IOException("the operator ended: " + Files.readString(output));
            }
            Thread.sleep(2);
        }
    }

    private long create(int from, int to) throws Exception {
        long begin = System.nanoTime();
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Future<?>> all = new ArrayList<>();
            for (int i = from; i < to; i++) {
                String name = "m" + i;
                all.add(threads.submit(() -> cluster.create(name, SLEEPING)));
            }
            for (Future<?> one : all) {
                one.get();
            }
        }
        return begin;
    }

    /** Until the operator has told the status of so many models. */
    private void awaitKnown(int models) throws Exception {
        if (models < 10) {
            while (true) {
                int told = 0;
                for (int i = 0; i < models; i++) {
                    told += cluster.ready("m" + i).equals("True/ScaledToZero") ? 1 : 0;
                }
                if (told == models) {
                    return;
                }
                Thread.sleep(2);
            }
        }
        while (metric("dormouse_models{ready=\"True\",reason=\"ScaledToZero\"}") < models) {
            Thread.sleep(50);
        }
    }

    private double metric(String series) throws IOException, InterruptedException {
        HttpResponse<String> answer = http.send(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/metrics")).build(),
                HttpResponse.BodyHandlers.ofString());
        return answer.body()
                .lines()
                .filter(line -> line.startsWith(series + " "))
                .mapToDouble(line -> Double.parseDouble(line.substring(series.length() + 1)))
                .findFirst()
                .orElse(0);
    }

    private String wakes(int from, int to) throws Exception {
        double[] millis = new double[to - from];
        try (Pods pods = new Pods(cluster.client())) {
            for (int i = from; i < to; i++) {
                long begin = System.nanoTime();
                cluster.demand("m" + i, Clock.systemUTC().instant());
                millis[i - from] = (pods.await("m" + i) - begin) / 1e6;
            }
        }
        Arrays.sort(millis);
        return String.format(Locale.ROOT, "p50 %.1f, p99 %.1f, max %.1f ms", millis[millis.length / 2],
                millis[millis.length * 99 / 100 - 1], millis[millis.length - 1]);
    }

    private String wakeTogether(int from, int to) throws Exception {
        try (Pods pods = new Pods(cluster.client()); ExecutorService threads = Executors.newFixedThreadPool(16)) {
            long begin = System.nanoTime();
            for (int i = from; i < to; i++) {
                String name = "m" + i;
                threads.execute(() -> cluster.demand(name, Clock.systemUTC().instant()));
            }
            long last = begin;
            for (int i = from; i < to; i++) {
                last = Math.max(last, pods.await("m" + i));
            }
            return String.format(Locale.ROOT, "%.2f s", (last - begin) / 1e9);
        }
    }

    private void atRest(int models, int seconds) throws Exception {
        cluster.client().resources(InferenceModel.class).inNamespace("default").withName("m0").get();
        long before = version();
        Thread.sleep(seconds * 1000L);
        long writes = version() - before;
        say("API writes while " + (models - 200) + " sleep and 200 wait for their kubelet, " + seconds + " s",
                Long.toString(writes));
        say("heap in use after a collection, " + models + " models, -Xmx1g",
                heapMiB() + " MiB, resident " + residentMiB() + " MiB");
    }

    private void restart(int models) throws Exception {
        kill(false);
        long before = version();
        long begin = System.nanoTime();
        process = launch(List.of());
        while (metric("dormouse_reconcile_seconds_count") < models) {
            Thread.sleep(50);
        }
        say("restart to every model reconciled, " + models + " models", seconds(begin));
        say("API writes of that resync", Long.toString(version() - before));
    }

    /** Every write to the API server is one version. */
    private long version() {
        return Long.parseLong(cluster.client().pods().inNamespace("default").list().getMetadata().getResourceVersion());
    }

    private long residentMiB() throws IOException {
        return Files.readAllLines(Path.of("/proc/" + process.pid() + "/status"))
                .stream()
                .filter(line -> line.startsWith("VmRSS"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) / 1024)
                .findFirst()
                .orElse(-1);
    }

    private long heapMiB() throws IOException, InterruptedException {
        String jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();
        String pid = Long.toString(process.pid());
        new ProcessBuilder(jcmd, pid, "GC.run").redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
        Process info = new ProcessBuilder(jcmd, pid, "GC.heap_info").start();
        String text = new String(info.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        Matcher used = Pattern.compile("used (\\d+)K").matcher(text);
        return used.find() ? Long.parseLong(used.group(1)) / 1024 : -1;
    }

    private void kill(boolean gently) throws InterruptedException {
        if (gently) {
            process.destroy();
        } else {
            process.destroyForcibly();
        }
        process.waitFor();
    }

    @Override
    public void close() throws InterruptedException {
        kill(false);
        http.close();
        cluster.close();
    }

    private static String seconds(long begin) {
        return String.format(Locale.ROOT, "%.1f s", (System.nanoTime() - begin) / 1e9);
    }

    private static void say(String what, String value) {
        System.out.println("| " + what + " | " + value + " |");
    }

    /** When the first pod of each model was seen. */
    private static final class Pods implements Watcher<Pod>, AutoCloseable {
        private final Map<String, Long> seen = new ConcurrentHashMap<>();
        private final Watch watch;

        Pods(KubernetesClient client) {
            watch = client.pods().inNamespace("default").withLabel(PodConventions.LABEL_MODEL).watch(this);
        }

        long await(String model) throws InterruptedException {
            while (!seen.containsKey(model)) {
                Thread.sleep(0, 200_000);
            }
            return seen.getOrDefault(model, 0L);
        }

        @Override
        public void eventReceived(Action action, Pod pod) {
            seen.putIfAbsent(pod.getMetadata().getLabels().getOrDefault(PodConventions.LABEL_MODEL, ""),
                    System.nanoTime());
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
