package dev.dormouse.cluster;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** An embedded control plane in a JVM of its own: to measure it, and to kill it. */
public final class ServerProcess implements AutoCloseable {
    private static final List<String> FLAGS = List.of("-XX:+UseSerialGC", "-Xmx160m",
            "-Dsun.net.httpserver.nodelay=true",
            "--sun-misc-unsafe-memory-access=allow", "-Xlog:cds=off,aot=off");

    private final Process process;
    private final long startMillis;
    private final JsonNode kubeconfig;

    private ServerProcess(Process process, long startMillis, JsonNode kubeconfig) {
        this.process = process;
        this.startMillis = startMillis;
        this.kubeconfig = kubeconfig;
    }

    /**
     * Returns when it answers.
     *
     * @param port 0 for any free one
     * @param flags of its JVM, beside a small heap
     */
    public static ServerProcess start(Path folder, int port, String... flags) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(FLAGS);
        command.addAll(List.of(flags));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), ServerProcess.class.getName(),
                folder.toString(), Integer.toString(port)));
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String line = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))
                .readLine();
        if (line == null) {
            throw new IOException("the control plane did not start: " + command);
        }
        int blank = line.indexOf(' ');
        return new ServerProcess(process, Long.parseLong(line.substring(0, blank)),
                new YAMLMapper().readTree(Files.readString(Path.of(line.substring(blank + 1)))));
    }

    /** The process: says how long it took and where its kubeconfig is, and ends with its standard input. */
    public static void main(String[] arguments) throws IOException {
        try (EmbeddedControlPlane controlPlane = EmbeddedControlPlane.start(Path.of(arguments[0]),
                Integer.parseInt(arguments[1]))) {
            long begin = ManagementFactory.getRuntimeMXBean().getStartTime();
            System.out.println(System.currentTimeMillis() - begin + " " + controlPlane.kubeconfig());
            while (System.in.read() >= 0) {
                // whoever started us closes it
            }
        }
    }

    /** From the start of the JVM to serving. */
    public long startMillis() {
        return startMillis;
    }

    public int port() {
        return URI.create(server()).getPort();
    }

    private String server() {
        return kubeconfig.at("/clusters/0/cluster/server").asText();
    }

    /** Good for every later process with the same folder and port, too. */
    public Connection connect() throws IOException, GeneralSecurityException {
        SSLContext trust = trusting(kubeconfig.at("/clusters/0/cluster/certificate-authority-data").asText());
        return new Connection(
                HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).sslContext(trust).build(),
                server(), kubeconfig.at("/users/0/user/token").asText());
    }

    /** What the process occupies now, in MiB. */
    public long residentMegabytes() throws IOException {
        return Files.readAllLines(Path.of("/proc", Long.toString(process.pid()), "status"))
                .stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
                .findFirst()
                .orElse(-1);
    }

    /** SIGKILL; returns when it is gone. */
    public void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    @Override
    public void close() throws IOException, InterruptedException {
        process.getOutputStream().close();
        process.waitFor();
    }

    /** A client that may do everything. */
    public record Connection(HttpClient http, String url, String token) implements AutoCloseable {
        public HttpRequest.Builder request(String path) {
            return HttpRequest.newBuilder(URI.create(url + path))
                    .header("Authorization", "Bearer " + token)
                    .header("Content-Type", "application/json");
        }

        /** @throws IOException when the answer is an error, or there is none */
        public byte[] send(HttpRequest.Builder request) throws IOException, InterruptedException {
            HttpResponse<byte[]> response = http.send(request.build(), BodyHandlers.ofByteArray());
            if (response.statusCode() > 299) {
                throw new IOException(new String(response.body(), StandardCharsets.UTF_8));
            }
            return response.body();
        }

        @Override
        public void close() {
            http.shutdownNow();
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
