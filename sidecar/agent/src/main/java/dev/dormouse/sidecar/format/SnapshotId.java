package dev.dormouse.sidecar.format;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.util.HexFormat;
import java.util.random.RandomGenerator;

/**
 * Ids of snapshots and packs: {@code 20261121t101530123z-9f86d081884c7d65}, UTC milliseconds and 64 random bits. They
 * sort by time, are never used twice, and are safe as file and resource names.
 */
public final class SnapshotId {
    private static final DateTimeFormatter TIME = new DateTimeFormatterBuilder().appendPattern("uuuuMMdd't'HHmmss")
            .appendValue(ChronoField.MILLI_OF_SECOND, 3)
            .appendLiteral('z')
            .toFormatter()
            .withZone(ZoneOffset.UTC);

    private SnapshotId() {}

    public static String next(Instant now, RandomGenerator random) {
        return TIME.format(now) + "-" + HexFormat.of().toHexDigits(random.nextLong());
    }

    /** The id of a snapshot's {@code number}th pack. */
    public static String pack(String snapshotId, int number) {
        return "%s-%04d".formatted(snapshotId, number);
    }

    /** The snapshot that a valid pack id was made for. */
    public static String ofPack(String packId) {
        return packId.substring(0, packId.lastIndexOf('-'));
    }

    public static boolean valid(String id) {
        return SnapshotFormat.ID.matcher(id).matches();
    }

    public static boolean validPack(String id) {
        return SnapshotFormat.PACK_ID.matcher(id).matches();
    }

    /** When a valid id was made, or the epoch when its digits are no date. */
    public static Instant time(String id) {
        try {
            return LocalDateTime.parse(id.substring(0, id.indexOf('-')), TIME).toInstant(ZoneOffset.UTC);
        } catch (DateTimeException notADate) {
            return Instant.EPOCH;
        }
    }
}
