package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.Manifest.PackEntry;
import dev.dormouse.sidecar.store.PruneReport.Expiry;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Decides which snapshots go, from values only. */
final class Retention {
    /** @param usable not in quarantine */
    record Candidate(Manifest manifest, boolean usable, boolean pinned) {
        String id() {
            return manifest.id();
        }
    }

    private static final Comparator<Candidate> OLDEST_FIRST = Comparator
            .<Candidate, Instant>comparing(candidate -> candidate.manifest().createdAt())
            .thenComparing(Candidate::id);

    private Retention() {}

    static PruneReport apply(RetentionPolicy policy, Catalog catalog, Instant now, Remover remover)
            throws IOException {
        var deleted = new ArrayList<Expiry>();
        var failed = new ArrayList<Refusal>();
        for (Expiry expiry : decide(policy, catalog.candidates(), now)) {
            try {
                remover.delete(expiry.id());
                deleted.add(expiry);
            } catch (IOException e) {
                failed.add(new Refusal(expiry.id(), "VolumeError", String.valueOf(e.getMessage())));
            }
        }
        return new PruneReport(deleted, failed);
    }

    /** What goes, in the order in which it goes. */
    static List<Expiry> decide(RetentionPolicy policy, List<Candidate> candidates, Instant now) {
        List<Candidate> oldestFirst = candidates.stream().sorted(OLDEST_FIRST).toList();
        Set<String> current = current(oldestFirst);
        var remaining = new Remaining(oldestFirst);
        for (Candidate candidate : oldestFirst) {
            if (candidate.pinned() || current.contains(candidate.id())) {
                continue;
            }
            if (tooOld(policy.maxAge(), candidate, now)) {
                remaining.expire(candidate, "maxAge");
            } else if (policy.maxSnapshots() > 0 && remaining.ofKey(candidate) > policy.maxSnapshots()) {
                remaining.expire(candidate, "maxSnapshots");
            } else if (policy.maxBytes() > 0 && remaining.bytes() > policy.maxBytes()) {
                remaining.expire(candidate, "maxBytes");
            }
        }
        return remaining.expired;
    }

    /** The newest usable snapshot of each key: what the next wake restores. */
    private static Set<String> current(List<Candidate> oldestFirst) {
        Map<String, String> newest = new HashMap<>();
        oldestFirst.stream()
                .filter(Candidate::usable)
                .forEach(candidate -> newest.put(candidate.manifest().key(), candidate.id()));
        return new HashSet<>(newest.values());
    }

    /** A snapshot from the future, by the clock of another node, has no age. */
    private static boolean tooOld(@Nullable Duration maxAge, Candidate candidate,
            Instant now) {
        return maxAge != null && Duration.between(candidate.manifest().createdAt(), now).compareTo(maxAge) > 0;
    }

    /** What is left on the volume while the decision is made; packs that several snapshots need count once. */
    private static final class Remaining {
        private final Map<String, Integer> snapshotsByKey = new HashMap<>();
        private final Map<String, Integer> usersByPack = new HashMap<>();
        private final List<Expiry> expired = new ArrayList<>();
        private long bytes;

        Remaining(List<Candidate> candidates) {
            for (Candidate candidate : candidates) {
                snapshotsByKey.merge(candidate.manifest().key(), 1, Integer::sum);
                for (PackEntry pack : candidate.manifest().packs()) {
                    if (usersByPack.merge(pack.id(), 1, Integer::sum) == 1) {
                        bytes += pack.bytes();
                    }
                }
            }
        }

        int ofKey(Candidate candidate) {
            return snapshotsByKey.getOrDefault(candidate.manifest().key(), 0);
        }

        long bytes() {
            return bytes;
        }

        void expire(Candidate candidate, String rule) {
            expired.add(new Expiry(candidate.id(), rule));
            snapshotsByKey.merge(candidate.manifest().key(), -1, Integer::sum);
            for (PackEntry pack : candidate.manifest().packs()) {
                if (usersByPack.merge(pack.id(), -1, Integer::sum) == 0) {
                    bytes -= pack.bytes();
                }
            }
        }
    }
}
