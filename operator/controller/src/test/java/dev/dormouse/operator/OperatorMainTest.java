package dev.dormouse.operator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jspecify.annotations.Nullable;

/** The operator as a process of its own. */
class OperatorMainTest {
    private static final Duration START = Duration.ofSeconds(30);
    private static final Pattern PROBES = Pattern.compile("probes and metrics on 127\\.0\\.0\\.1:(\\d+)");

    @TempDir
    private Path folder;
    private @Nullable Process process;

    @AfterEach
    void stop() {
        if (process != null) {
            process.destroyForcibly();
        }
    }

    @Test
    void itLeadsServesItsProbesAndEndsCleanlyGivingTheLeaseBack() throws Exception {
        try (TestCluster cluster = new TestCluster()) {
            Path kubeconfig = Files.writeString(folder.resolve("kubeconfig"), cluster.kubeconfig());
            Process operator = launch(Map.of("KUBECONFIG", kubeconfig.toString(), "DORMOUSE_BIND", "127.0.0.1",
                    "DORMOUSE_HTTP_PORT", "0"));
            await().atMost(START).until(() -> PROBES.matcher(output()).find());
            Matcher probes = PROBES.matcher(output());
            assertThat(probes.find()).isTrue();
            String base = "http://127.0.0.1:" + probes.group(1);
            await().until(() -> get(base + "/readyz").statusCode() == 200);
            assertThat(get(base + "/livez").statusCode()).isEqualTo(200);
            assertThat(get(base + "/metrics").body()).contains("dormouse_warmup_pending 0", "dormouse_warmup_active 0");
            cluster.create("m", "  scaling: {initialStart: Never}\n");
            await().until(() -> cluster.ready("m").equals("True/ScaledToZero"));
            assertThat(holder(cluster)).startsWith("dormouse-operator-");

            operator.destroy();

            assertThat(operator.waitFor(20, TimeUnit.SECONDS)).isTrue();
            assertThat(operator.exitValue()).isZero();
            assertThat(holder(cluster)).isNullOrEmpty();
        }
    }

    @Test
    void aBadConfigurationIsOneLineAndStatusTwo() throws Exception {
        Process operator = launch(Map.of("DORMOUSE_WARMUP_MAX_CONCURRENT", "none"));

        assertThat(operator.waitFor(START.toSeconds(), TimeUnit.SECONDS)).isTrue();
        assertThat(operator.exitValue()).isEqualTo(2);
        assertThat(output().strip())
                .isEqualTo("dormouse operator: DORMOUSE_WARMUP_MAX_CONCURRENT=\"none\" is not valid: "
                        + "it must be a whole number from 1 to 10000");
    }

    private Process launch(Map<String, String> environment) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"), OperatorMain.class.getName());
        builder.environment().putAll(new HashMap<>(environment));
        process = builder.redirectErrorStream(true).redirectOutput(folder.resolve("output").toFile()).start();
        return process;
    }

    private String output() throws IOException {
        return Files.readString(folder.resolve("output"));
    }

    private static @Nullable String holder(TestCluster cluster) {
        Lease lease = cluster.client().leases().inNamespace("dormouse-system").withName("dormouse-operator").get();
        return lease.getSpec().getHolderIdentity();
    }

    private static HttpResponse<String> get(String url) throws IOException, InterruptedException {
        try (HttpClient http = HttpClient.newHttpClient()) {
            return http.send(HttpRequest.newBuilder(URI.create(url)).build(), HttpResponse.BodyHandlers.ofString());
        }
    }
}
