package dev.dormouse.gpu;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReportTest {
    private final ByteArrayOutputStream text = new ByteArrayOutputStream();
    private final Report report = new Report(new PrintStream(text, true, UTF_8));

    @Test
    void aRowSaysHowFarItIsFromItsLimitAndWhatDiffers(@TempDir Path folder) throws Exception {
        report.machine("device", "a GPU");
        report.row("limits", "H2D best", 50, "GB/s");
        report.ratio("owned", "restore", 46, "GB/s", report.value("limits", "H2D best"));
        report.expected("wrong", "open twice", 208, "CUresult", 201, null);
        report.expected("wrong", "open once", 0, "CUresult", 0, null);
        report.goal("owned", "attach", 51, "ms", 50);
        report.missing("torch", "no module named torch");

        assertThat(text.toString(UTF_8)).contains("0.92 of the limit")
                .contains("DIFFERS from 201.000")
                .contains("as expected")
                .contains("above the goal of 50.0")
                .contains("torch      missing: no module named torch");
        Path file = folder.resolve("result.json");
        report.write(file);
        JsonNode json = new ObjectMapper().readTree(file.toFile());
        assertThat(json.at("/rows/1/ratio").asDouble()).isEqualTo(0.92);
        assertThat(json.at("/rows/0").has("ratio")).isFalse();
        assertThat(json.at("/rows/2/expected").asInt()).isEqualTo(201);
        assertThat(json.at("/missing/0/section").asText()).isEqualTo("torch");
        assertThat(json.at("/machine/device").asText()).isEqualTo("a GPU");
    }
}
