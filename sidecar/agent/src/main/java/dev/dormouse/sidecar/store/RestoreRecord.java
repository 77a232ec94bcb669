package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.pipeline.RestoreReading;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How fast a restore was, as the name of an empty file:
 * {@code <epoch ms>~<stored bytes>~<raw bytes>~<elapsed µs>~<reading µs>}.
 *
 * @param reading of the elapsed time, what an average worker waited for the volume
 */
record RestoreRecord(Instant at, long storedBytes, long rawBytes, Duration elapsed, Duration reading) {
    private static final Pattern NAME = Pattern
            .compile("([0-9]{1,15})~([0-9]{1,18})~([0-9]{1,18})~([0-9]{1,15})~([0-9]{1,15})");
    /** A restore that waits for the volume at least this share of its time would end sooner with fewer bytes. */
    private static final double BOUND_SHARE = 0.5;

    static RestoreRecord of(Instant at, RestoreReading reading, Manifest manifest) {
        return new RestoreRecord(at, reading.storedBytes(), manifest.rawBytes(), reading.elapsed(), reading.reading());
    }

    boolean storageBound() {
        return reading.toNanos() >= BOUND_SHARE * elapsed.toNanos();
    }

    /** What came from the volume, in bytes per second. */
    double storageRate() {
        return storedBytes * 1e9 / Math.max(1, elapsed.toNanos());
    }

    String fileName() {
        return "%d~%d~%d~%d~%d".formatted(at.toEpochMilli(), storedBytes, rawBytes, elapsed.toNanos() / 1_000,
                reading.toNanos() / 1_000);
    }

    /** Empty for names that are no records. */
    static Optional<RestoreRecord> parse(String fileName) {
        Matcher name = NAME.matcher(fileName);
        return name.matches()
                ? Optional.of(new RestoreRecord(Instant.ofEpochMilli(number(name, 1)), number(name, 2),
                        number(name, 3), Duration.ofNanos(number(name, 4) * 1_000),
                        Duration.ofNanos(number(name, 5) * 1_000)))
                : Optional.empty();
    }

    private static long number(Matcher name, int group) {
        return Long.parseLong(name.group(group));
    }
}
