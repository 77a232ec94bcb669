package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import picocli.CommandLine;

/** What the documents tell people to type is what the command understands. */
class BenchExamplesTest {
    private static final Path DOCS = Path.of("..", "..", "docs");
    private static final Path WORKFLOW = DOCS.resolve("examples/bench.github-actions.yml");

    @Test
    @DisplayName("R33, R42: the workflow's steps exist, its actions are current, and the results are uploaded even when it fails")
    void theWorkflowIsOne() throws Exception {
        JsonNode workflow = new ObjectMapper(new YAMLFactory()).readTree(WORKFLOW.toFile());
        List<JsonNode> steps = workflow.at("/jobs/cold-starts/steps").valueStream().toList();

        assertThat(steps).isNotEmpty().allMatch(step -> step.has("uses") != step.has("run"));
        assertThat(steps.stream().filter(step -> step.has("uses")).map(step -> step.get("uses").asText()))
                .allMatch(uses -> uses.matches("actions/[a-z-]+@v[4-9]"));
        assertThat(steps.stream().filter(step -> step.path("uses").asText().startsWith("actions/upload-artifact")))
                .singleElement()
                .satisfies(step -> assertThat(step.get("if").asText()).isEqualTo("always()"));
    }

    static Stream<String> commands() throws Exception {
        return Stream.concat(Files.lines(DOCS.resolve("bench.md")), Files.lines(WORKFLOW))
                .map(line -> line.replaceFirst("^[ -]*run: ", "")
                        .replaceFirst("#.*", "")
                        .replaceFirst(">.*", "")
                        .strip())
                .filter(line -> line.startsWith("./dormouse bench "));
    }

    @ParameterizedTest
    @MethodSource("commands")
    @DisplayName("R1, R2, R31, R32: every command of the documents can be typed")
    void everyCommandParses(String line) {
        String[] arguments = line.replace("\"", "").substring("./dormouse bench ".length()).split("\\s+");

        assertThat(new CommandLine(new BenchCommand()).parseArgs(arguments).hasSubcommand()).isTrue();
    }
}
