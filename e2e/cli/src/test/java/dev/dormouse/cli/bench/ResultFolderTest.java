package dev.dormouse.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResultFolderTest {
    @TempDir
    Path folder;

    @Test
    @DisplayName("R9, R35: every result is written under its own name and as the latest, and reads back as it was")
    void savesTwice() throws Exception {
        BenchResult result = Results.of("r1", Map.of("total", Results.around(100, 1)));
        ResultFolder results = new ResultFolder(folder);

        Path own = results.save(result);

        assertThat(own).hasFileName("bench_20260102T030405Z_r1.json");
        assertThat(ResultFolder.read(own)).isEqualTo(result);
        assertThat(ResultFolder.read(results.latest())).isEqualTo(result);
        assertThat(Files.readString(own)).contains("\"p95\"");
    }

    @Test
    @DisplayName("R30: all results of a folder, without latest and baseline, which are copies")
    void listsRuns() throws Exception {
        ResultFolder results = new ResultFolder(folder);
        BenchResult result = Results.of("r1", Map.of("total", Results.millis(1)));
        results.save(result);
        results.saveBaseline(result);

        assertThat(results.all()).containsExactly(result);
        assertThat(ResultFolder.read(results.baseline())).isEqualTo(result);
    }

    @Test
    @DisplayName("R11: a result of another schema is refused with a line that says what to do")
    void refusesOtherSchemas() throws Exception {
        Path file = Files.writeString(folder.resolve("future.json"), "{\"schemaVersion\": 2, \"more\": 1}");

        assertThatThrownBy(() -> ResultFolder.read(file)).isInstanceOf(UnusableInputException.class)
                .hasMessageContaining("schema version 2")
                .hasMessageContaining("dormouse bench run");
    }

    @Test
    @DisplayName("R12: a result of the source document's tool is refused by name, not misread")
    void refusesTheSourcesOwnFormat() throws Exception {
        Path file = Files.writeString(folder.resolve("cold_start_latest.json"),
                """
                {"timestamp": 1700000000.0, "python_version": "3.12", "measurements": {"runpod_total": {"min": 375.97,
                 "max": 527.9, "mean": 393.91, "median": 380.4, "iterations": 10}},
                 "module_counts": {"total": 698, "filtered": 48}, "paramiko_eagerly_loaded": true, "ssh_cli_loaded": true}
                """);

        assertThatThrownBy(() -> ResultFolder.read(file)).isInstanceOf(UnusableInputException.class)
                .hasMessageContaining("no schemaVersion");
    }

    @Test
    void refusesWhatIsNoResult() throws Exception {
        Path text = Files.writeString(folder.resolve("text.json"), "mean 3 ms");
        Path part = Files.writeString(folder.resolve("part.json"), "{\"schemaVersion\": 1}");
        Path other = Files.writeString(folder.resolve("other.json"), "{}");

        for (Path file : new Path[]{text, part, other, folder.resolve("absent.json")}) {
            assertThatThrownBy(() -> ResultFolder.read(file)).isInstanceOf(UnusableInputException.class)
                    .hasMessageContaining(file.toString());
        }
    }
}
