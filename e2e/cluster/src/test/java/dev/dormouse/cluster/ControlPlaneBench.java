package dev.dormouse.cluster;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

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
    private static final List<String> FLAGS = List.of("-XX:+UseSerialGC", "-Xmx160m",
            "-Dsun.net.httpserver.nodelay=true",
            "--sun-misc-unsafe-memory-access=allow", "-Xlog:cds=off,aot=off");

    private final ArrayNode figures = JSON.createArrayNode();

    private ControlPlaneBench() {}

    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 0) {
            serve(Path.of(arguments[0]));
            return;
        }
        ControlPlaneBench bench = new ControlPlaneBench();
        bench.starts();
        bench.load();
        bench.write();
    }

    /** The measured process: says when it serves and where, and ends with its standard input. */
    private static void serve(Path folder) throws IOException {
        try (EmbeddedControlPlane controlPlane = EmbeddedControlPlane.start(folder)) {
            long begin = ManagementFactory.getRuntimeMXBean().getStartTime();
            System.out.println(System.currentTimeMillis() - begin + " " + controlPlane.kubeconfig());
            while (System.in.read() >= 0) {
                // whoever started us closes it
            }
        }
    }

    private static final class Server implements AutoCloseable {
        final Process process;
        final long startMillis;
        final HttpClient http;
        final String url;
        final String token;

        Server(Path folder, String... flags) throws IOException, GeneralSecurityException {
            List<String> command = new ArrayList<>();
            command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
            command.addAll(FLAGS);
            command.addAll(List.of(flags));
            command.addAll(List.of("-cp", System.getProperty("java.class.path"), ControlPlaneBench.class.getName(),
                    folder.toString()));
            process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
            String line = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))
                    .readLine();
            if (line == null) {
                throw new IOException("the control plane did not start: " + command);
            }
            startMillis = Long.parseLong(line.substring(0, line.indexOf(' ')));
            JsonNode kubeconfig = new YAMLMapper()
                    .readTree(Files.readString(Path.of(line.substring(line.indexOf(' ') + 1))));
            url = kubeconfig.at("/clusters/0/cluster/server").asText();
            token = kubeconfig.at("/users/0/user/token").asText();
            http = HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .sslContext(trusting(kubeconfig.at("/clusters/0/cluster/certificate-authority-data").asText()))
                    .build();
        }

        HttpRequest.Builder request(String path) {
            return HttpRequest.newBuilder(URI.create(url + path))
                    .header("Authorization", "Bearer " + token)
                    .header("Content-Type", "application/json");
        }

        byte[] send(HttpRequest.Builder request) throws IOException, InterruptedException {
            HttpResponse<byte[]> response = http.send(request.build(), BodyHandlers.ofByteArray());
            if (response.statusCode() > 299) {
                throw new IOException(new String(response.body(), StandardCharsets.UTF_8));
            }
            return response.body();
        }

        long residentMegabytes() throws IOException {
            return Files.readAllLines(Path.of("/proc", Long.toString(process.pid()), "status"))
                    .stream()
                    .filter(line -> line.startsWith("VmRSS:"))
                    .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
                    .findFirst()
                    .orElse(-1);
        }

        @Override
        public void close() throws IOException, InterruptedException {
            http.shutdownNow();
            process.getOutputStream().close();
            process.waitFor();
        }

        private void end() throws IOException {
            try {
                close();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException(e);
            }
        }

        private static SSLContext trusting(String base64Pem) throws GeneralSecurityException, IOException {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            store.setCertificateEntry("server", CertificateFactory.getInstance("X.509")
                    .generateCertificate(new ByteArrayInputStream(Base64.getDecoder().decode(base64Pem))));
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return context;
        }
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
        Server server = new Server(folder, flag);
        server.end();
        delete(folder);
        return server.startMillis;
    }

    private void load() throws Exception {
        Path folder = Files.createTempDirectory("dormouse-bench");
        try (Server server = new Server(folder)) {
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
            figure("resident memory with 10,000 objects", server.residentMegabytes(), "MiB", 256);
        }
        begin(folder);
        delete(folder);
    }

    /** A restart on the state just written. */
    private void begin(Path folder) throws Exception {
        try (Server server = new Server(folder)) {
            figure("start to serving on 10,000 objects, plain JVM", server.startMillis, "ms", 0);
        }
    }

    private static void create(Server server, String prefix, int count) throws InterruptedException {
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
    private void watch(Server server) throws Exception {
        String version = JSON.readTree(server.send(server.request(MAPS + "?limit=1")))
                .at("/metadata/resourceVersion")
                .asText();
        InputStream stream = server.http.send(
                server.request(MAPS + "?watch=true&resourceVersion=" + version).build(),
                BodyHandlers.ofInputStream()).body();
        double[] millis = new double[WATCHED];
        try (var events = new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
            for (int i = 0; i < WATCHED; i++) {
                String body = "{\"metadata\": {\"name\": \"w" + i + "\"}}";
                long begin = System.nanoTime();
                var answer = server.http.sendAsync(server.request(MAPS).POST(BodyPublishers.ofString(body)).build(),
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
