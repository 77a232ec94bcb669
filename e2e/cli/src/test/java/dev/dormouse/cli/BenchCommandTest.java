package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
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
    @DisplayName("R11: what is written is what the published schema says, and neither knows a field the other does not")
    void writesBySchema() throws Exception {
        JsonNode written = new ObjectMapper().readTree(result("r", 100).toFile());
        JsonNode schema = new ObjectMapper()
                .readTree(Path.of("..", "..", "docs", "bench-result.schema.json").toFile());

        assertThat(JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012).getSchema(schema).validate(written))
                .isEmpty();
        assertThat(names(schema.at("/properties"))).containsExactlyInAnyOrderElementsOf(names(written));
        assertThat(names(schema.at("/$defs/measurement/properties")))
                .containsExactlyInAnyOrderElementsOf(names(written.at("/measurements/total")));
        assertThat(schema.at("/properties/schemaVersion/const").asInt()).isEqualTo(BenchResult.SCHEMA);
    }

    @Test
    @DisplayName("R13, R16, R34: what is neither a file nor a revision is unusable input, and nothing is started for it")
    void refusesUnknownSubjects() throws Exception {
        assertThat(bench("compare", "no-such-revision", "nor-this-one")).isEqualTo(2);
        assertThat(bench("refs", "no-such-revision")).isEqualTo(2);
        assertThat(bench("compare", "image:only-one")).isEqualTo(2);
        assertThat(bench("run", "--starts", "0")).isEqualTo(2);
        assertThat(bench("run", "--body", "no json")).isEqualTo(2);
        assertThat(bench("run", "--cluster", "kubeconfig")).isEqualTo(2);
        assertThat(bench("run", "--cluster", "binaries")).isEqualTo(2);
        assertThat(bench("run", "--binaries", "/nowhere")).isEqualTo(2);
    }

    @Test
    @DisplayName("R30: a trend over a folder, and a page of it; without a result neither")
    void plotsAndTrends() throws Exception {
        Path results = Files.createDirectory(folder.resolve("results"));
        new ResultFolder(results).save(ResultFolder.read(result("one", 100)));

        assertThat(bench("trend", "--key", "total", results)).isEqualTo(0);
        assertThat(bench("plot", "--results", results)).isEqualTo(0);
        assertThat(results.resolve("bench.html")).content().contains("\"runId\":\"one\"");
        assertThat(bench("plot", "--results", folder.resolve("absent"))).isEqualTo(2);
        assertThat(bench("trend", folder.resolve("absent"))).isEqualTo(2);
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
