package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ColumnTest {
    private static final Instant NOW = Instant.parse("2026-06-01T00:00:00Z");

    @ParameterizedTest
    @CsvSource({"0,0s", "119,119s", "120,2m", "150,2m30s", "3600,60m", "10800,3h", "12600,3h30m", "172799,47h",
            "172800,2d",
            "180000,2d2h", "864000,10d", "94608000,3y", "-5,0s"})
    void agesReadAsKubectlWordsThem(long seconds, String age) {
        assertThat(Column.age(NOW.minusSeconds(seconds).toString(), NOW)).isEqualTo(age);
    }

    @Test
    void aTimeThatIsNoneIsSaidToBe() {
        assertThat(Column.age("", NOW)).isEqualTo("<unknown>");
        assertThat(Column.age("yesterday", NOW)).isEqualTo("<invalid>");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {".a.b | 1", ".list[1].v | y", ".list[?(@.k==\"one\")].v | x",
            ".list[?(@.k!='one')].v | y", ".list[*].k | one two", ".metadata.annotations.a\\.b/c | z",
            ".metadata.annotations['a.b/c'] | z", ".missing.x | ''", ".list[7].k | ''"})
    void pathsFind(String path, String expected) {
        JsonNode document = Json
                .parse("""
                       {a: {b: 1}, list: [{k: one, v: x}, {k: two, v: y}], metadata: {annotations: {a.b/c: z}}}
                       """.getBytes(StandardCharsets.UTF_8), true);

        assertThat(String.join(" ", JsonPath.parse(path).find(document).stream().map(JsonNode::asText).toList()))
                .isEqualTo(expected == null ? "" : expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a.b", ".a[", ".a..b", ".a[?(@.x > 1)]", "{.a}", ".a[1:2]"})
    void pathsThatCannotBeReadAreRefused(String path) {
        assertThatThrownBy(() -> JsonPath.parse(path)).hasMessageContaining("unsupported JSON path");
    }
}
