package dev.dormouse.domain.hold;

import java.time.Instant;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Everybody who waits, of all models: how many, how much memory they keep, whose time is over first. */
final class WaitingRoom {
    private static final Comparator<HeldRequest> BY_DEADLINE = Comparator.comparing(HeldRequest::deadline)
            .thenComparingLong(HeldRequest::id);

    private final Map<Long, HeldRequest> waiting = new HashMap<>();
    private final TreeSet<HeldRequest> deadlines = new TreeSet<>(BY_DEADLINE);
    private long bytes;

    void add(HeldRequest request) {
        waiting.put(request.id(), request);
        deadlines.add(request);
        bytes += request.bytes();
    }

    void remove(HeldRequest request) {
        waiting.remove(request.id());
        deadlines.remove(request);
        bytes -= request.bytes();
    }

    @Nullable
    HeldRequest find(long id) {
        return waiting.get(id);
    }

    /** The one whose time is over, and has been for the longest. */
    Optional<HeldRequest> late(Instant now) {
        return deadlines.isEmpty() || now.isBefore(deadlines.first().deadline())
                ? Optional.empty()
                : Optional.of(deadlines.first());
    }

    int size() {
        return waiting.size();
    }

    /** That they keep in memory. */
    long bytes() {
        return bytes;
    }
}
