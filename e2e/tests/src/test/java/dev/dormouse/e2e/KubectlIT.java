package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a user types: the real {@code kubectl} on the sample model. */
class KubectlIT extends Story {
    private static final String EXAMPLE = "docs/examples/minilm.yaml";

    @TempDir
    Path folder;

    @BeforeAll
    static void needsKubectl() {
        boolean found = java.util.Arrays.stream(System.getenv("PATH").split(":"))
                .anyMatch(folder -> Files.isExecutable(Path.of(folder, "kubectl")));
        assumeTrue(found, "kubectl is not on the PATH");
    }

    private record Output(int code, String text) {}

    private Output kubectl(String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("kubectl", "--kubeconfig", cluster().kubeconfig().toString()));
        command.addAll(List.of(arguments));
        Path out = Files.createTempFile(folder, "kubectl", ".txt");
        Process process = new ProcessBuilder(command).directory(HOME.toFile())
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        assertThat(process.waitFor(120, TimeUnit.SECONDS)).as("%s ends", command).isTrue();
        return new Output(process.exitValue(), Files.readString(out));
    }

    @Test
    void theSampleIsAppliedWatchedScaledAndDeleted() throws Exception {
        assertThat(kubectl("apply", "-f", EXAMPLE).text()).contains("inferencemodel.dormouse.dev/minilm created");
        assertThat(kubectl("apply", "-f", EXAMPLE).text()).contains("minilm unchanged");

        Output ready = kubectl("wait", "--for=condition=Serving", "im/minilm", "--timeout=100s");
        assertThat(ready.text()).contains("condition met");
        assertThat(kubectl("wait", "--for=condition=Ready", "im/minilm", "--timeout=100s").code()).isZero();

        assertThat(kubectl("get", "im").text()).contains("READY", "REASON", "REPLICAS", "RUNG", "LAST-WAKE", "AGE",
                "minilm");
        assertThat(kubectl("describe", "im", "minilm").text()).contains("Conditions:", "Events:", "Woke");
        String pod = pods("minilm").getFirst().getMetadata().getName();
        assertThat(kubectl("logs", pod, "-c", "engine").code()).isZero();
        assertThat(kubectl("logs", pod, "-c", "dormouse-sidecar").text()).isNotBlank();

        assertThat(kubectl("scale", "im/minilm", "--replicas=1").text()).contains("scaled");
        assertThat(kubectl("get", "im", "minilm", "-o", "jsonpath={.spec.replicas}").text()).isEqualTo("1");
        assertThat(kubectl("delete", "im", "minilm", "--timeout=100s").text()).contains("deleted");
        await().atMost(PATIENCE).until(() -> pods("minilm").isEmpty());
    }

    @Test
    void watchingShowsTheModelWakeUp() throws Exception {
        Path out = folder.resolve("watch.txt");
        Process watch = new ProcessBuilder("kubectl", "--kubeconfig", cluster().kubeconfig().toString(), "get", "im",
                "-w")
                .redirectErrorStream(true)
                .redirectOutput(out.toFile())
                .start();
        try {
            kubectl("apply", "--server-side", "-f", EXAMPLE);

            await().atMost(PATIENCE).until(() -> Files.readString(out).contains("ScaledToZero"));
        } finally {
            watch.destroyForcibly();
        }
    }

    @Test
    void aWrongYamlIsRefusedWithWhatToDo() throws Exception {
        assertThat(refused("  engin: {image: x}\n  model: {uri: pvc://a/b}\n")).contains("unknown field", "engin");
        assertThat(refused("  engine: {image: x}\n  model: {uri: no-scheme}\n")).contains("spec.model.uri");
        assertThat(refused("  engine: {image: x}\n  model: {uri: pvc://a/b}\n  requests: {concurrencyLimit: 0}\n"))
                .contains("spec.requests.concurrencyLimit");
        assertThat(refused("  engine: {image: x}\n  model: {uri: pvc://a/b}\n  scaling: {minReplicas: 3}\n"))
                .contains("scaling.minReplicas must not exceed scaling.maxReplicas");
        assertThat(refused("  engine: [image\n")).contains("yaml");
    }

    private String refused(String spec) throws IOException, InterruptedException {
        Path file = folder.resolve("wrong.yaml");
        Files.writeString(file, """
                                apiVersion: dormouse.dev/v1alpha1
                                kind: InferenceModel
                                metadata:
                                  name: wrong
                                  namespace: default
                                spec:
                                """ + spec, StandardCharsets.UTF_8);
        Output output = kubectl("apply", "-f", file.toString());
        assertThat(output.code()).as(output.text()).isNotZero();
        return output.text();
    }
}
