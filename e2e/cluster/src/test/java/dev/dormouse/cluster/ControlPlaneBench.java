package dev.dormouse.cluster;

import dev.dormouse.cluster.ServerProcess.Connection;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Measures the embedded control plane in JVMs of its own, by plain HTTP: start to serving (plain, with class data sharing,
 * with an AOT cache), creation, lists, watches and memory with 10,000 objects. Run it with {@code e2e/cluster/bench}; it
 * writes {@code e2e/cluster/target/figures/control-plane.json}.
 */
public final class ControlPlaneBench {
    private static final int STARTS = 5;
    private static final int OBJECTS = 10_000;
    private static final int WRITERS = 8;
    private static final int WATCHED = 2_000;
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String MAPS = "/api/v1/namespaces/default/configmaps";

    private final ArrayNode figures = JSON.createArrayNode();

    private ControlPlaneBench() {}

    public static void main(String[] arguments) throws Exception {
        ControlPlaneBench bench = new ControlPlaneBench();
        bench.starts();
        bench.load();
        bench.write();
    }

    private void starts() throws Exception {
        Path caches = Files.createTempDirectory("dormouse-bench");
        String cds = "-XX:SharedArchiveFile=" + caches.resolve("bench.jsa");
        String aot = "-XX:AOTCache=" + caches.resolve("bench.aot");
        start("-XX:ArchiveClassesAtExit=" + caches.resolve("bench.jsa"));
        start("-XX:AOTCacheOutput=" + caches.resolve("bench.aot"));
        double[][] millis = new double[3][STARTS];
        for (int run = 0; run < STARTS; run++) {
            millis[0][run] = start("-Xshare:auto");
            millis[1][run] = start(cds);
            millis[2][run] = start(aot);
        }
        figure("start to serving, plain JVM", median(millis[0]), "ms", 0);
        figure("start to serving, class data archive", median(millis[1]), "ms", 0);
        figure("start to serving, AOT cache", median(millis[2]), "ms", 400);
        delete(caches);
    }

    private static double start(String flag) throws Exception {
        Path folder = Files.createTempDirectory("dormouse-bench");
        try (ServerProcess server = ServerProcess.start(folder, 0, flag)) {
            return server.startMillis();
        } finally {
            delete(folder);
        }
    }

    private void load() throws Exception {
        Path folder = Files.createTempDirectory("dormouse-bench");
        try (ServerProcess process = ServerProcess.start(folder, 0); Connection server = process.connect()) {
            create(server, "warm", 2_000);
            server.send(server.request(MAPS).DELETE());
            long begin = System.nanoTime();
            create(server, "m", OBJECTS);
            figure("objects created per second, 8 connections", OBJECTS / seconds(begin), "/s", 1000);
            double[] lists = new double[STARTS];
            for (int run = 0; run < STARTS; run++) {
                begin = System.nanoTime();
                server.send(server.request(MAPS));
                lists[run] = seconds(begin) * 1e3;
            }
            figure("list of 10,000 objects", median(lists), "ms", 200);
            watch(server);
            figure("resident memory with 10,000 objects", process.residentMegabytes(), "MiB", 256);
        }
        begin(folder);
        delete(folder);
    }

    /** A restart on the state just written. */
    private void begin(Path folder) throws Exception {
        try (ServerProcess server = ServerProcess.start(folder, 0)) {
            figure("start to serving on 10,000 objects, plain JVM", server.startMillis(), "ms", 0);
        }
    }

    private static void create(Connection server, String prefix, int count) throws InterruptedException {
        AtomicInteger next = new AtomicInteger();
        CountDownLatch done = new CountDownLatch(WRITERS);
        for (int writer = 0; writer < WRITERS; writer++) {
            Thread.ofVirtual().start(() -> {
                for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
                    String body = "{\"metadata\": {\"name\": \"" + prefix + i + "\"}, \"data\": {\"text\": \""
                            + "x".repeat(500) + "\"}}";
                    try {
                        server.send(server.request(MAPS).POST(BodyPublishers.ofString(body)));
                    } catch (IOException | InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                }
                done.countDown();
            });
        }
        done.await();
    }

    /** From the moment a write is answered, or before, until a watcher has its event. */
    private void watch(Connection server) throws Exception {
        String version = JSON.readTree(server.send(server.request(MAPS + "?limit=1")))
                .at("/metadata/resourceVersion")
                .asText();
        InputStream stream = server.http()
                .send(
                        server.request(MAPS + "?watch=true&resourceVersion=" + version).build(),
                        BodyHandlers.ofInputStream())
                .body();
        double[] millis = new double[WATCHED];
        try (var events = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
            for (int i = 0; i < WATCHED; i++) {
                String body = "{\"metadata\": {\"name\": \"w" + i + "\"}}";
                long begin = System.nanoTime();
                var answer = server.http()
                        .sendAsync(server.request(MAPS).POST(BodyPublishers.ofString(body)).build(),
                                BodyHandlers.discarding());
                events.readLine();
                millis[i] = seconds(begin) * 1e3;
                answer.join();
            }
        }
        Arrays.sort(millis);
        figure("write sent to event seen, p50", millis[WATCHED / 2], "ms", 0);
        figure("write sent to event seen, p99", millis[WATCHED * 99 / 100], "ms", 5);
    }

    private void figure(String name, double value, String unit, double goal) {
        System.out.printf("%-50s %10.1f %s%s%n", name, value, unit, goal == 0 ? "" : "   (goal " + goal + ")");
        ObjectNode figure = figures.addObject().put("name", name).put("value", value).put("unit", unit);
        if (goal > 0) {
            figure.put("goal", goal);
        }
    }

    private void write() throws IOException {
        ObjectNode file = JSON.createObjectNode().put("schema", 1).put("at", Instant.now().toString());
        file.putObject("environment")
                .put("cores", Runtime.getRuntime().availableProcessors())
                .put("load", ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage())
                .put("jdk", Runtime.version().toString());
        file.set("figures", figures);
        Path target = Files.createDirectories(Path.of("e2e/cluster/target/figures")).resolve("control-plane.json");
        Files.writeString(target, file.toPrettyString() + "\n");
        System.out.println(target);
    }

    private static double seconds(long sinceNanos) {
        return (System.nanoTime() - sinceNanos) / 1e9;
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    private static void delete(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }
}
