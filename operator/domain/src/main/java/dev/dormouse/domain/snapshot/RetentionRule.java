package dev.dormouse.domain.snapshot;

import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which superseded snapshots may go (S5, S39). The newest usable one of each key and pinned ones never do. Here it is only
 * decided when it is worth looking; what goes is decided on the volume, which knows what is shared.
 *
 * @param maxAge absent: any age is fine
 * @param maxSnapshots of one key, the newest included; 0: any number
 * @param maxBytes of all that is left on the volume; 0: any size
 */
public record RetentionRule(@Nullable Duration maxAge, int maxSnapshots, long maxBytes) {
    public static final RetentionRule KEEP_ALL = new RetentionRule(null, 0, 0);

    private static final Comparator<KnownSnapshot> OLDEST_FIRST = Comparator
            .comparing((KnownSnapshot s) -> Objects.requireNonNullElse(s.takenAt(), s.seenAt()))
            .thenComparing(KnownSnapshot::id);

    public RetentionRule {
        if (maxAge != null && maxAge.isNegative() || maxSnapshots < 0 || maxBytes < 0) {
            throw new IllegalArgumentException("maxAge " + maxAge + ", maxSnapshots " + maxSnapshots + ", maxBytes "
                    + maxBytes + ": none may be below 0");
        }
    }

    /** For a volume that several models use: what any of them wants kept is kept. */
    public static RetentionRule keepingMost(Collection<RetentionRule> rules) {
        if (rules.isEmpty()) {
            return KEEP_ALL;
        }
        boolean anyAge = rules.stream().anyMatch(rule -> rule.maxAge == null);
        Duration age = anyAge
                ? null
                : rules.stream().map(RetentionRule::maxAge).filter(Objects::nonNull).max(Duration::compareTo).get();
        int snapshots = rules.stream().anyMatch(rule -> rule.maxSnapshots == 0)
                ? 0
                : rules.stream().mapToInt(RetentionRule::maxSnapshots).max().getAsInt();
        long bytes = rules.stream().anyMatch(rule -> rule.maxBytes == 0)
                ? 0
                : rules.stream().mapToLong(RetentionRule::maxBytes).max().getAsLong();
        return new RetentionRule(age, snapshots, bytes);
    }

    /** When the volume is to be pruned; {@link Instant#MIN}: at once; empty: not before something changes. */
    Optional<Instant> dueAt(List<KnownSnapshot> snapshots) {
        List<KnownSnapshot> present = snapshots.stream().filter(s -> !s.deleting()).sorted(OLDEST_FIRST).toList();
        List<KnownSnapshot> superseded = superseded(present);
        if (superseded.isEmpty()) {
            return Optional.empty();
        }
        if (tooMany(present, superseded)
                || maxBytes > 0 && present.stream().mapToLong(KnownSnapshot::storedBytes).sum() > maxBytes) {
            return Optional.of(Instant.MIN);
        }
        if (maxAge == null) {
            return Optional.empty();
        }
        // One of exactly this age stays (S39).
        return superseded.stream()
                .map(KnownSnapshot::takenAt)
                .filter(Objects::nonNull)
                .min(Instant::compareTo)
                .map(oldest -> oldest.plus(maxAge).plusMillis(1));
    }

    private boolean tooMany(List<KnownSnapshot> present, List<KnownSnapshot> superseded) {
        if (maxSnapshots == 0) {
            return false;
        }
        Map<String, Integer> byKey = new HashMap<>();
        present.forEach(s -> byKey.merge(s.key(), 1, Integer::sum));
        return superseded.stream().anyMatch(s -> byKey.getOrDefault(s.key(), 0) > maxSnapshots);
    }

    private static List<KnownSnapshot> superseded(List<KnownSnapshot> oldestFirst) {
        Map<String, String> newest = new HashMap<>();
        oldestFirst.stream().filter(KnownSnapshot::usable).forEach(s -> newest.put(s.key(), s.id()));
        Set<String> current = new HashSet<>(newest.values());
        return oldestFirst.stream().filter(s -> !s.pinned() && !current.contains(s.id())).toList();
    }
}
