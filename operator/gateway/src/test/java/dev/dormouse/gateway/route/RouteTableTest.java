package dev.dormouse.gateway.route;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.ModelLimits;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class RouteTableTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");

    private final RouteTable table = new RouteTable();

    private static ModelRoute model(String key, String clientName, int age, String... aliases) {
        return new ModelRoute(ModelKey.parse(key), clientName, List.of(aliases), T0.minusSeconds(age),
                new ModelRoute.Admission(ModelLimits.ofConcurrency(1), Duration.ofSeconds(1), 0,
                        ModelRoute.ColdStart.Hold),
                ModelRoute.Traffic.DEFAULT, ModelRoute.State.UNKNOWN);
    }

    private String chosen(String name) {
        return switch (table.select(name)) {
            case Selection.Found(ModelRoute model) -> model.key().toString();
            case Selection.Unknown() -> "unknown";
            case Selection.Ambiguous(List<ModelKey> candidates) -> candidates.toString();
        };
    }

    @Test
    @DisplayName("A bare name works while it is unique, namespace/name always")
    void bareAndFullNames() {
        table.put(model("a/one", "m", 0));
        assertThat(chosen("m")).isEqualTo("a/one");
        table.put(model("b/one", "m", 0));

        assertThat(chosen("m")).isEqualTo("[a/one, b/one]");
        assertThat(chosen("b/m")).isEqualTo("b/one");
        assertThat(chosen("b/one")).isEqualTo("b/one");
        assertThat(chosen("c/one")).isEqualTo("unknown");
        table.remove(ModelKey.parse("a/one"));
        assertThat(chosen("m")).isEqualTo("b/one");
    }

    @Test
    @DisplayName("BL5: an alias belongs to the oldest that claims it, and passes on when that one gives it up")
    void oldestAliasWins() {
        table.put(model("a/young", "young", 1, "gpt-4o"));
        table.put(model("b/old", "old", 9, "gpt-4o", "x"));

        assertThat(chosen("gpt-4o")).isEqualTo("b/old");
        assertThat(chosen("a/gpt-4o")).isEqualTo("a/young");
        table.put(model("b/old", "old", 9, "x"));
        assertThat(chosen("gpt-4o")).isEqualTo("a/young");
        table.remove(ModelKey.parse("a/young"));
        assertThat(chosen("gpt-4o")).isEqualTo("unknown");
    }

    @Test
    @DisplayName("A model's own name is stronger than another's alias")
    void ownNameBeatsAlias() {
        table.put(model("a/thief", "thief", 9, "m"));
        table.put(model("b/m", "m", 1));

        assertThat(chosen("m")).isEqualTo("b/m");
    }
}
