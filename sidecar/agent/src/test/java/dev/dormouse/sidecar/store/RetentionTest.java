package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import dev.dormouse.sidecar.format.Manifest.TableEntry;
import dev.dormouse.sidecar.store.PruneReport.Expiry;
import dev.dormouse.sidecar.store.Retention.Candidate;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class RetentionTest {
    private static final Instant NOW = Instant.parse("2026-11-21T10:00:00Z");
    private static final Duration HOUR = Duration.ofHours(1);
    private static final RetentionPolicy AN_HOUR = new RetentionPolicy(HOUR, 0, 0);

    @Test
    @DisplayName("S5, S39: superseded snapshots older than maxAge go, one of exactly maxAge stays")
    void exactlyMaxAgeIsKept() {
        assertThat(decide(AN_HOUR, usable("older", "k", HOUR.plusMillis(1)), usable("exact", "k", HOUR),
                usable("newest", "k", Duration.ZERO))).containsExactly(new Expiry("older", "maxAge"));
    }

    @Test
    @DisplayName("The newest usable snapshot of each key stays, whatever its age")
    void theNewestOfEachKeyStays() {
        assertThat(decide(new RetentionPolicy(HOUR, 1, 1), usable("a", "k", HOUR.multipliedBy(1_000)),
                usable("b", "other", HOUR.multipliedBy(2_000)))).isEmpty();
    }

    @Test
    @DisplayName("A newer snapshot in quarantine supersedes nothing")
    void quarantineSupersedesNothing() {
        assertThat(decide(AN_HOUR, usable("good", "k", HOUR.multipliedBy(3)),
                quarantined("bad", "k", HOUR.multipliedBy(2)))).containsExactly(new Expiry("bad", "maxAge"));
    }

    @Test
    @DisplayName("S47: a snapshot from the future, by a clock that is wrong, is not old")
    void fromTheFuture() {
        assertThat(decide(AN_HOUR, usable("future", "k", HOUR.negated()),
                usable("later", "k", HOUR.multipliedBy(-2)))).isEmpty();
    }

    @Test
    @DisplayName("S48: no age is too long to be counted")
    void absurdAges() {
        assertThat(decide(new RetentionPolicy(Duration.ofSeconds(Long.MAX_VALUE), 0, 0),
                usable("old", "k", Duration.ofDays(300_000)), usable("new", "k", Duration.ZERO))).isEmpty();
        assertThatIllegalArgumentException().isThrownBy(() -> new RetentionPolicy(HOUR.negated(), 0, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> new RetentionPolicy(null, -1, 0));
    }

    @Test
    @DisplayName("A pinned snapshot stays, and counts")
    void pinned() {
        assertThat(decide(new RetentionPolicy(HOUR, 2, 0), pin(usable("pinned", "k", HOUR.multipliedBy(9))),
                usable("older", "k", Duration.ofMinutes(2)), usable("old", "k", Duration.ofMinutes(1)),
                usable("new", "k", Duration.ZERO))).containsExactly(new Expiry("older", "maxSnapshots"),
                        new Expiry("old", "maxSnapshots"));
    }

    @Test
    @DisplayName("maxSnapshots counts those of one key, the oldest go first")
    void maxSnapshots() {
        assertThat(decide(new RetentionPolicy(null, 2, 0), usable("a3", "a", Duration.ofMinutes(3)),
                usable("a2", "a", Duration.ofMinutes(2)), usable("a1", "a", Duration.ofMinutes(1)),
                usable("b1", "b", Duration.ofMinutes(9)))).containsExactly(new Expiry("a3", "maxSnapshots"));
    }

    @Test
    @DisplayName("maxBytes counts a pack once, and as long as anybody needs it")
    void maxBytes() {
        Candidate oldest = usable("oldest", "k", Duration.ofMinutes(3), "p1", "p2");
        Candidate middle = usable("middle", "k", Duration.ofMinutes(2), "p2", "p3");
        Candidate newest = usable("newest", "k", Duration.ZERO, "p3", "p4");

        assertThat(decide(new RetentionPolicy(null, 0, 4 * 8192), oldest, middle, newest)).isEmpty();
        assertThat(decide(new RetentionPolicy(null, 0, 3 * 8192), oldest, middle, newest))
                .containsExactly(new Expiry("oldest", "maxBytes"));
        assertThat(decide(new RetentionPolicy(null, 0, 1), oldest, middle, newest)).extracting(Expiry::id)
                .containsExactly("oldest", "middle");
    }

    private static List<Expiry> decide(RetentionPolicy policy, Candidate... candidates) {
        return Retention.decide(policy, List.of(candidates), NOW);
    }

    private static Candidate usable(String id, String key, Duration age, String... packs) {
        var manifest = new Manifest("dormouse-snapshot", 1, id, key, Map.of(), NOW.minus(age), 0, 0, "", "",
                Manifest.PLAIN, 4096,
                List.of(), List.of(), List.of(),
                Arrays.stream(packs).map(pack -> new PackEntry(pack, 8192, 1)).toList(),
                new TableEntry(64, 0, "", ""));
        return new Candidate(manifest, true, false);
    }

    private static Candidate quarantined(String id, String key, Duration age) {
        return new Candidate(usable(id, key, age).manifest(), false, false);
    }

    private static Candidate pin(Candidate candidate) {
        return new Candidate(candidate.manifest(), candidate.usable(), true);
    }
}
