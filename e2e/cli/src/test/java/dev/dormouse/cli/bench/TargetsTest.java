package dev.dormouse.cli.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.cli.bench.Targets.Line;
import dev.dormouse.cli.bench.Targets.Standing;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TargetsTest {
    @TempDir
    Path folder;

    @Test
    @DisplayName("R23, R43: a missed target is said, a hard limit fails, and so does what was not measured")
    void twoLevels() throws Exception {
        Path file = Files.writeString(folder.resolve("targets.yaml"), """
                                                                      targets:
                                                                        a.met: {target: 300, limit: 1000}
                                                                        b.missed: {target: 300, limit: 1000}
                                                                        c.failed: {target: 300, limit: 1000}
                                                                        d.absent: {target: 300}
                                                                      """);
        BenchResult result = Results.of("r", Map.of("a.met", Results.millis(300), "b.missed", Results.millis(1000),
                "c.failed", Results.millis(1001)));

        assertThat(Targets.read(file).check(result)).extracting(Line::standing)
                .containsExactly(Standing.Met, Standing.Missed, Standing.Failed, Standing.Failed);
    }

    @Test
    @DisplayName("R5, R27: what must be lazy and was loaded is named")
    void eagerIsNamed() throws Exception {
        Path file = Files.writeString(folder.resolve("targets.yaml"), "targets: {a: {target: 3}}\nlazy: [x, y, z]\n");
        BenchResult result = new BenchResult(BenchResult.SCHEMA, "r", "2026-01-02T03:04:05Z", "r", "c", Map.of(),
                Map.of(), Map.of(), Map.of("x", true, "y", false), List.of());

        assertThat(Targets.read(file).eager(result)).containsExactly("y");
    }

    @Test
    void refusesAMisspelledTarget() throws Exception {
        Path file = Files.writeString(folder.resolve("targets.yaml"), "targets: {a: {taget: 3}}");

        assertThatThrownBy(() -> Targets.read(file)).isInstanceOf(UnusableInputException.class)
                .hasMessageContaining("taget");
    }
}
