package dev.dormouse.cli.figures;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FigureFileTest {
    @TempDir
    Path folder;

    @Test
    void figuresSurviveARoundTrip() throws IOException {
        FigureFile file = new FigureFile(FigureFile.SCHEMA, "dormouse demo", "2026-11-21T00:00:00Z",
                Map.of("cores", "2"), List.of(Figure.lower("demo.wall", 12.5, "s", 30.0)));

        file.write(folder.resolve("figures.json"));

        assertThat(FigureFile.read(folder.resolve("figures.json"))).isEqualTo(file);
        assertThat(folder.toFile().list()).containsExactly("figures.json");
    }

    @Test
    void anotherSchemaIsRefusedWithWhatToDo() throws IOException {
        Path file = folder.resolve("old.json");
        Files.writeString(file,
                """
                {"schema": 7, "command": "dormouse demo", "at": "", "environment": {}, "figures": []}""");

        assertThatThrownBy(() -> FigureFile.read(file)).isInstanceOf(IOException.class)
                .hasMessageContaining("schema 7")
                .hasMessageContaining("dormouse demo");
    }

    @Test
    void somethingElseIsRefusedByName() throws IOException {
        Path file = folder.resolve("x.json");
        Files.writeString(file, "{\"a\": 1}");

        assertThatThrownBy(() -> FigureFile.read(file)).hasMessageContaining("x.json is not a figure file");
    }

    @Test
    void meetingAGoalExactlyIsMeetingIt() {
        assertThat(Figure.lower("t", 30, "s", 30.0).met()).isTrue();
        assertThat(Figure.lower("t", 30.1, "s", 30.0).met()).isFalse();
        assertThat(Figure.higher("r", 0.7, "ratio", null, 0.7).met()).isTrue();
        assertThat(Figure.higher("r", 0.69, "ratio", null, 0.7).met()).isFalse();
    }
}
