package dev.dormouse.domain.snapshot;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A snapshot that has a resource.
 *
 * @param name of the resource
 * @param id of the snapshot on its volume
 * @param key compatibility key
 * @param takenAt absent while it is not known
 * @param pinned whether the user wants it kept
 * @param usable whether a wake may restore it
 * @param seenAt when the resource was made
 * @param deletedAt when its deletion was asked for; absent while nobody did
 * @param bypass whether the user says that its bytes need not be freed
 * @param verify mark of a verification that somebody asked for and nobody has answered; absent when there is none
 */
public record KnownSnapshot(String name, String id, String key, @Nullable Instant takenAt, long storedBytes,
        boolean pinned, boolean usable, Instant seenAt, @Nullable Instant deletedAt, boolean bypass,
        @Nullable String verify) {
    boolean deleting() {
        return deletedAt != null;
    }
}
