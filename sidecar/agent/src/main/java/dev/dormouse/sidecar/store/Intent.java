package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.SnapshotId;
import java.time.Instant;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Something that is being done with a snapshot, as the name of an empty file:
 * {@code <snapshot id>~<pod>~<instance>~<kind>~<epoch milliseconds>}.
 *
 * @param at when it was announced, by the clock of the node that did
 */
record Intent(String snapshotId, Writer writer, Kind kind, Instant at) {
    private static final Pattern NAME = Pattern
            .compile("([^~]+)~([A-Za-z0-9.-]{1,64})~([A-Za-z0-9.-]{1,64})~(save|delete|restore)~([0-9]{1,15})");

    enum Kind {
        /** Packs named after the snapshot are being written. While it has no manifest nobody refers to them. */
        Save,
        /** The snapshot ceases to exist. */
        Delete,
        /** The snapshot's packs are being read. */
        Restore
    }

    String fileName() {
        return "%s~%s~%s~%s~%d".formatted(snapshotId, writer.pod(), writer.instance(),
                kind.name().toLowerCase(Locale.ROOT), at.toEpochMilli());
    }

    /** Empty for names that are no intents. */
    static Optional<Intent> parse(String fileName) {
        Matcher name = NAME.matcher(fileName);
        if (!name.matches() || !SnapshotId.valid(name.group(1))) {
            return Optional.empty();
        }
        Kind kind = switch (name.group(4)) {
            case "save" -> Kind.Save;
            case "delete" -> Kind.Delete;
            default -> Kind.Restore;
        };
        return Optional.of(new Intent(name.group(1), new Writer(name.group(2), name.group(3)), kind,
                Instant.ofEpochMilli(Long.parseLong(name.group(5)))));
    }
}
