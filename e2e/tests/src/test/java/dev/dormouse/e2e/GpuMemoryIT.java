package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus.LastWake;
import dev.dormouse.cli.local.App;
import dev.dormouse.cli.local.LocalOptions;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Models of a pool whose GPUs engine and sidecar share, on the stand-in for the driver: what the operator writes into a
 * pod is what its sidecar and its engine come up with.
 */
@EnabledIfSystemProperty(named = "slow", matches = "true", disabledReason = "takes a minute: .ci/run runs it, with -Dslow=true")
class GpuMemoryIT extends Story {
    private static final Path PYTHON = Path.of("/usr/bin/python3");
    private static final Path STAND_IN = HOME.resolve("sidecar/cuda/target/standin/libcuda.so.1");
    private static final String BYTES = "20000000";

    @BeforeAll
    static void needsTheStandIn() {
        assumeTrue(Files.isExecutable(PYTHON), "python3 is not there");
        assumeTrue(Files.exists(STAND_IN), "the stand-in is not built, for want of gcc");
    }

    @Override
    LocalOptions options(LocalOptions options) {
        return options.withImage("dormouse/sidecar", sidecar()).withImage("example/device-engine", engine());
    }

    /** As local mode starts it, and with another driver. */
    private static List<String> sidecar() {
        try {
            List<String> command = new ArrayList<>(App.Sidecar.command(HOME, false));
            command.add(1, "-Ddormouse.cuda.driver=" + STAND_IN);
            return command;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** It ends with its input. */
    private static List<String> engine() {
        Path python = HOME.resolve("sidecar/engines/python");
        return List.of("/usr/bin/env", "PYTHONPATH=" + python.resolve("src"), "DORMOUSE_CUDA_DRIVER=" + STAND_IN,
                "/bin/bash", "-c", "exec %s %s 7 device %s < <(exec sleep infinity)".formatted(PYTHON,
                        python.resolve("tests/device_engine.py"), BYTES));
    }

    @ParameterizedTest
    @CsvSource({"Auto,Owned,false", "Ipc,Ipc,true", "Staged,Staged,false"})
    @DisplayName("H37, S64: a model of a pool with claims is saved from the GPU's memory and restored into it, in the mode that its pod says")
    void aModelSleepsAndWakesInItsMode(String asked, String mode, boolean oneProcessNamespace) throws Exception {
        String name = "gpu-" + asked.toLowerCase(Locale.ROOT);
        applyYaml(yaml(name, asked, 0));
        awaitListed(name);
        awaitAsleepWithSnapshot(name);

        // Awake until the end of the test, so that its pod can be looked into.
        applyYaml(yaml(name, asked, 1));

        InferenceModel awake = awaitModel(name,
                model -> model.getStatus().lastWake != null && "Volume".equals(model.getStatus().lastWake.rung()));
        assertThat(awake.getStatus().lastWake).extracting(LastWake::restoredBytes)
                .satisfies(bytes -> assertThat(bytes).isGreaterThan(Long.parseLong(BYTES)));
        HttpResponse<String> answer = ask(name, 90);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        Pod pod = pods(name).getFirst();
        assertThat(pod.getSpec().getInitContainers().getFirst().getEnv())
                .contains(new EnvVar(SidecarEnvironment.DEVICE, mode, null));
        assertThat(Boolean.TRUE.equals(pod.getSpec().getShareProcessNamespace())).isEqualTo(oneProcessNamespace);
        assertThat(said(pod, PodConventions.ENGINE_CONTAINER)).contains("\"mode\": \"Attach\", \"memory\": \"" + mode);
    }

    private String said(Pod pod, String container) {
        return cluster().client()
                .pods()
                .inNamespace("default")
                .withName(pod.getMetadata().getName())
                .inContainer(container)
                .getLog();
    }

    private static String yaml(String name, String memory, int awake) {
        return """
               apiVersion: dormouse.dev/v1alpha1
               kind: GpuPool
               metadata: {name: shared}
               spec: {allocation: DRA}
               ---
               apiVersion: dormouse.dev/v1alpha1
               kind: InferenceModel
               metadata: {name: %s}
               spec:
                 model: {uri: "file:///nowhere"}
                 pool: shared
                 engine:
                   image: example/device-engine:1
                   resources: {limits: {nvidia.com/gpu: 1}}
                 scaling: {idleSeconds: 1, minReplicas: %d}
                 snapshot: {memory: %s}
               """.formatted(name, awake, memory);
    }
}
