package dev.dormouse.sidecar.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * What the sidecar did with a snapshot during this start.
 *
 * @param id the snapshot used or taken; absent when there is none
 * @param state outcome so far
 * @param rawBytes bytes of buffers and files before encoding
 * @param storedBytes bytes on the volume
 * @param micros time spent reading and verifying, or reading and writing
 * @param reason one CamelCase word for {@code Failed}, {@code Quarantined} and {@code Skipped}
 * @param message the same for a person
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record SnapshotReport(@Nullable String id, State state, long rawBytes, long storedBytes, long micros,
        @Nullable String reason, @Nullable String message) {

    public enum State {
        /** No snapshot with this key exists. */
        Absent,
        /** Being read. */
        Restoring,
        /** Read and verified. */
        Restored,
        /** Being written. */
        Saving,
        /** Written and published. */
        Saved,
        /** Found damaged or incompatible; never used again. This start fell back to the source. */
        Quarantined,
        /** Could not be written; the older snapshot, if any, is intact. */
        Failed,
        /** Not wanted, or not possible for this engine. */
        Skipped
    }

    public static final SnapshotReport ABSENT = new SnapshotReport(null, State.Absent, 0, 0, 0, null, null);

    /** That nothing was read or written, and why. */
    public static SnapshotReport none(State state, String reason, @Nullable String message) {
        return new SnapshotReport(null, state, 0, 0, 0, reason, message);
    }
}
