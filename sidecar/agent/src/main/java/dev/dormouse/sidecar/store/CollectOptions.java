package dev.dormouse.sidecar.store;

import java.time.Duration;
import java.util.Set;

/**
 * How patient a collection is.
 *
 * @param settle after this long every node sees what another one did; 0 on a volume that only this node mounts
 * @param patience how long to wait for saves and restores that may still use what is to be unlinked
 * @param gonePods uids of pods that certainly run nowhere: what they announced is not waited for
 */
public record CollectOptions(Duration settle, Duration patience, Set<String> gonePods) {
    /** NFS clients believe what they know of a folder for up to 60 s. */
    private static final Duration NFS_SETTLE = Duration.ofSeconds(65);

    public CollectOptions {
        gonePods = Set.copyOf(gonePods);
    }

    /** For a volume that several nodes may mount. */
    public static CollectOptions shared(Duration patience) {
        return new CollectOptions(NFS_SETTLE, patience, Set.of());
    }

    /** For a volume that only this node mounts: unlinks what nobody uses now, and leaves the rest for another time. */
    public static CollectOptions local() {
        return new CollectOptions(Duration.ZERO, Duration.ZERO, Set.of());
    }
}
