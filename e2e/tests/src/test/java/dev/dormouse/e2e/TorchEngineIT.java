package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus.LastWake;
import dev.dormouse.cli.local.LocalOptions;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The example of the Python package, as its page tells it: a PyTorch module sleeps and wakes. */
class TorchEngineIT extends Story {
    private static final String PYTHON = "/usr/bin/python3";
    private static final List<String> ENGINE = List.of("/usr/bin/env",
            "PYTHONPATH=" + HOME.resolve("sidecar/engines/python/src"), PYTHON,
            HOME.resolve("docs/examples/python/encoder.py").toString());

    @BeforeAll
    static void needsTorch() throws Exception {
        assumeTrue(Files.isExecutable(Path.of(PYTHON)) && run(List.of(PYTHON, "-c", "import torch")) == 0,
                "PyTorch is not there (Debian: python3-torch)");
    }

    @Override
    LocalOptions options(LocalOptions options) {
        return options.withImage("example/torch-encoder", engine("serve"));
    }

    @Test
    void aModuleWakesFromItsSnapshotWithoutItsSource() throws Exception {
        Path source = Files.createDirectory(cluster().claimFolder("default", "models").resolve("encoder"));
        Path weights = source.resolve("weights.pt");
        assertThat(run(engine("make", weights.toString()))).isZero();
        cluster().apply(HOME.resolve("docs/examples/torch.yaml"));
        HttpResponse<String> cold = askOnceListed();
        awaitAsleepWithSnapshot("encoder");
        Files.delete(weights);

        HttpResponse<String> restored = ask("encoder", 90);

        assertThat(restored.statusCode()).as(restored.body()).isEqualTo(200);
        assertThat(data(restored)).isEqualTo(data(cold));
        InferenceModel awake = awaitModel("encoder",
                model -> model.getStatus().lastWake != null && "Volume".equals(model.getStatus().lastWake.rung()));
        assertThat(awake.getStatus().lastWake).extracting(LastWake::restoredBytes)
                .satisfies(bytes -> assertThat(bytes).isGreaterThan(40_000_000));
    }

    private HttpResponse<String> askOnceListed() throws IOException, InterruptedException {
        awaitListed("encoder");
        HttpResponse<String> answer = ask("encoder", 90);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return answer;
    }

    private static String data(HttpResponse<String> answer) throws IOException {
        return new ObjectMapper().readTree(answer.body()).get("data").toString();
    }

    private static List<String> engine(String... arguments) {
        List<String> command = new ArrayList<>(ENGINE);
        command.addAll(List.of(arguments));
        return command;
    }

    private static int run(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).as("%s ends", command).isTrue();
        return process.exitValue();
    }
}
