package dev.dormouse.sidecar.store;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * Which snapshots may go. The newest usable one of each key and pinned ones never do, whatever this says.
 *
 * @param maxAge (S5) a superseded snapshot that is older goes, one of exactly this age stays; absent: any age is fine
 * @param maxSnapshots of one key, the newest included; 0: any number
 * @param maxBytes of all packs that the remaining snapshots need; 0: any size
 */
public record RetentionPolicy(@Nullable Duration maxAge, int maxSnapshots, long maxBytes) {
    public static final RetentionPolicy KEEP_ALL = new RetentionPolicy(null, 0, 0);

    public RetentionPolicy {
        if (maxAge != null && maxAge.isNegative() || maxSnapshots < 0 || maxBytes < 0) {
            throw new IllegalArgumentException("maxAge " + maxAge + ", maxSnapshots " + maxSnapshots + ", maxBytes "
                    + maxBytes + ": none may be below 0");
        }
    }
}
