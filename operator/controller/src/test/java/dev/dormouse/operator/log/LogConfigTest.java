package dev.dormouse.operator.log;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.spi.LoggingEvent;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.slf4j.event.KeyValuePair;

class LogConfigTest {
    private static final Pattern USED = Pattern.compile("addKeyValue\\(\\s*([A-Za-z.]+|\"[^\"]*\")");

    private final LoggerContext context = new LoggerContext();

    @Test
    @DisplayName("A line of JSON has the keys beside time, level, logger and message, and nothing nested")
    void jsonIsFlat() throws IOException {
        JsonNode line = new ObjectMapper().readTree(encoded(Map.of(LogConfig.FORMAT, "json")));

        assertThat(line.path("model").asText()).isEqualTo("team/m");
        assertThat(line.path("reason").asText()).isEqualTo("it said \"no\"");
        assertThat(line.path("message").asText()).isEqualTo("pod deleted");
        assertThat(line.path("level").asText()).isEqualTo("INFO");
        assertThat(Instant.parse(line.path("time").asText())).isEqualTo(Instant.ofEpochMilli(1_000));
        for (Iterator<JsonNode> values = line.elements(); values.hasNext();) {
            assertThat(values.next().isValueNode()).isTrue();
        }
        assertThat(line.size()).isEqualTo(7);
    }

    @Test
    void textHasKeysAndQuotedValuesAfterTheMessage() {
        assertThat(encoded(Map.of()).strip()).isEqualTo(
                "1970-01-01T00:00:01.000Z INFO  pod deleted model=\"team/m\" reason=\"it said \"no\"\"");
    }

    @Test
    @DisplayName("Every key that the operator logs is one of LogKeys, and documented")
    void everyKeyIsFixedAndDocumented() throws Exception {
        String document = Files.readString(Path.of("../../docs/monitoring.md"));
        for (Field key : LogKeys.class.getFields()) {
            assertThat(document).contains("| `" + key.get(null) + "` |");
        }
        Set<String> names = Stream.of(LogKeys.class.getFields())
                .map(field -> "LogKeys." + field.getName())
                .collect(Collectors.toSet());
        List<Path> sources;
        try (Stream<Path> files = Files.walk(Path.of("src/main/java"))) {
            sources = files.filter(file -> file.toString().endsWith(".java")).toList();
        }
        for (Path source : sources) {
            for (Matcher used = USED.matcher(Files.readString(source)); used.find();) {
                assertThat(names).as("%s", source).contains(used.group(1));
            }
        }
    }

    private String encoded(Map<String, String> environment) {
        LoggingEvent event = new LoggingEvent("caller", context.getLogger("operator"), Level.INFO, "pod deleted", null,
                new Object[0]);
        event.setInstant(Instant.ofEpochMilli(1_000));
        event.setKeyValuePairs(List.of(new KeyValuePair(LogKeys.MODEL, "team/m"),
                new KeyValuePair(LogKeys.REASON, "it said \"no\"")));
        return new String(LogConfig.encoder(context, environment).encode(event), UTF_8);
    }
}
