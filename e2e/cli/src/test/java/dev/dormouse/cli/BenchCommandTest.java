package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.Measurement;
import dev.dormouse.cli.bench.ResultFolder;
import dev.dormouse.cli.figures.Figure.Better;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

class BenchCommandTest {
    @TempDir
    Path folder;

    @Test
    @DisplayName("R41: 0 for the same or better, 1 for a regression, 2 for input from which nothing can be said")
    void exitCodes() throws Exception {
        Path slow = result("slow", 200);
        Path fast = result("fast", 100);

        assertThat(bench("compare", slow, fast)).isEqualTo(0);
        assertThat(bench("compare", fast, slow)).isEqualTo(1);
        assertThat(bench("compare", fast, fast)).isEqualTo(2);
        assertThat(bench("compare", fast, folder.resolve("absent.json"))).isEqualTo(2);
    }

    @Test
    @DisplayName("R42, R32: any number of candidates; one regression among them is one")
    void comparesMany() throws Exception {
        Path base = result("base", 100);

        assertThat(bench("compare", base, result("a", 90), result("b", 80), result("c", 70))).isEqualTo(0);
        assertThat(bench("compare", base, result("d", 90), result("e", 180))).isEqualTo(1);
    }

    @Test
    @DisplayName("R10: one file is compared with the saved baseline, and without one that is unusable input")
    void comparesWithTheBaseline() throws Exception {
        Path result = result("base", 100);

        assertThat(bench("compare", "--results", folder, result("late", 300))).isEqualTo(2);
        assertThat(bench("baseline", "--results", folder, result)).isEqualTo(0);
        assertThat(bench("compare", "--results", folder, result("later", 300))).isEqualTo(1);
    }

    @Test
    @DisplayName("R43: our own targets can be read, and a run that measured none of them fails")
    void checksOurTargets() throws Exception {
        Path targets = Path.of("..", "bench", "targets.yaml");

        assertThat(bench("check", "--targets", targets, result("r", 100))).isEqualTo(1);
        assertThat(bench("check", "--targets", folder.resolve("absent.yaml"), result("s", 100))).isEqualTo(2);
    }

    @Test
    @DisplayName("R11: the published schema names the fields that are written")
    void schemaNamesTheFields() throws Exception {
        ObjectMapper json = new ObjectMapper();
        JsonNode schema = json.readTree(Path.of("..", "..", "docs", "bench-result.schema.json").toFile());
        JsonNode written = json.readTree(result("r", 100).toFile());

        assertThat(names(schema.at("/properties"))).containsExactlyInAnyOrderElementsOf(names(written));
        assertThat(names(schema.at("/$defs/measurement/properties")))
                .containsExactlyInAnyOrderElementsOf(names(written.at("/measurements/total")));
        assertThat(schema.at("/properties/schemaVersion/const").asInt()).isEqualTo(BenchResult.SCHEMA);
    }

    private static List<String> names(JsonNode object) {
        return object.propertyStream().map(Map.Entry::getKey).toList();
    }

    private Path result(String run, double millis) throws IOException {
        Measurement total = new Measurement("ms", Better.Lower, Collections.nCopies(10, millis), List.of());
        Path file = folder.resolve(run + ".json");
        ResultFolder.write(new BenchResult(BenchResult.SCHEMA, run, "2026-01-02T03:04:05Z", run, "dormouse bench run",
                Map.of(), Map.of("total", total), Map.of(), Map.of(), List.of()), file);
        assertThat(Files.exists(file)).isTrue();
        return file;
    }

    private static int bench(Object... arguments) {
        return new CommandLine(new BenchCommand())
                .execute(java.util.Arrays.stream(arguments).map(Object::toString).toArray(String[]::new));
    }
}
