package dev.dormouse.sidecar.format;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Instant;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SnapshotIdTest {
    @Test
    @DisplayName("S56: ids sort by time and are not repeated")
    void sortable() {
        var random = new Random(1);
        Instant now = Instant.parse("2026-11-21T10:15:30.123456Z");

        String first = SnapshotId.next(now, random);
        String same = SnapshotId.next(now, random);
        String later = SnapshotId.next(now.plusMillis(1), random);

        assertThat(first).startsWith("20261121t101530123z-").isNotEqualTo(same).isLessThan(later);
        assertThat(SnapshotId.valid(first)).isTrue();
        assertThat(SnapshotId.validPack(SnapshotId.pack(first, 7))).isTrue();
        assertThat(SnapshotId.time(first)).isEqualTo(Instant.parse("2026-11-21T10:15:30.123Z"));
    }

    @ParameterizedTest
    @DisplayName("S54: nothing that could leave the folder is an id")
    @ValueSource(strings = {"", "..", "../x", "a/b", "20261121t101530123z-9f86d081884c7d65/..",
            "20261121T101530123Z-9f86d081884c7d65", "20261121t101530123z-9f86d081884c7d6",
            "20261121t101530123z-9f86d081884c7d65\n"})
    void strict(String id) {
        assertThat(SnapshotId.valid(id)).isFalse();
    }

    @Test
    void impossibleDatesAreTheEpoch() {
        assertThat(SnapshotId.time("99999999t999999999z-0000000000000000")).isEqualTo(Instant.EPOCH);
    }
}
