package dev.dormouse.domain.warmup;

import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** Those that wait for a warmup slot, in the order in which they get it. Not thread-safe. */
final class WaitingLine {
    /** Best first. Within one urgency the rank is fixed at arrival, because everybody ages at the same pace. */
    private static final Comparator<Waiting> ORDER = Comparator.comparing(Waiting::urgency)
            .thenComparing(Comparator.comparingLong(Waiting::rank).reversed())
            .thenComparingLong(Waiting::sequence);

    private final Map<ReplicaId, Waiting> byReplica = new HashMap<>();
    private final RankedQueue<Waiting> queue = new RankedQueue<>(ORDER);
    /** The same, by the GPUs they need: one that fits is found without asking all that do not. */
    private final NavigableMap<Integer, NavigableSet<Waiting>> bySize = new TreeMap<>();
    /** Those that no client waits for, oldest first. */
    private final NavigableSet<Waiting> preWarming = new TreeSet<>(Comparator.comparingLong(Waiting::sequence));

    /** @param rank priority with its arrival taken off, in microseconds: comparing it ages both sides alike */
    record Waiting(WarmupRequest request, Instant since, long sequence, long rank) {

        Waiting(WarmupRequest request, Instant since, long sequence, Duration ageingStep) {
            this(request, since, sequence, request.priority() * (ageingStep.toNanos() / 1000)
                    - ChronoUnit.MICROS.between(Instant.EPOCH, since));
        }

        ReplicaId replica() {
            return request.replica();
        }

        Urgency urgency() {
            return request.urgency();
        }
    }

    /** Of a replica that does not wait. */
    void add(Waiting entry) {
        byReplica.put(entry.replica(), entry);
        queue.add(entry);
        bySize.computeIfAbsent(entry.request().gpus(), size -> new TreeSet<>(ORDER)).add(entry);
        if (entry.urgency() == Urgency.PreWarm) {
            preWarming.add(entry);
        }
    }

    /** @return what it waited with; nothing if it did not wait */
    @Nullable
    Waiting remove(ReplicaId replica) {
        Waiting entry = byReplica.remove(replica);
        if (entry != null) {
            queue.remove(entry);
            bySize.computeIfPresent(entry.request().gpus(), (size, same) -> {
                same.remove(entry);
                return same.isEmpty() ? null : same;
            });
            preWarming.remove(entry);
        }
        return entry;
    }

    @Nullable
    Waiting find(ReplicaId replica) {
        return byReplica.get(replica);
    }

    @Nullable
    Waiting first() {
        return queue.first();
    }

    @Nullable
    Waiting oldestPreWarming() {
        return preWarming.isEmpty() ? null : preWarming.first();
    }

    /** The best of each size, best first. */
    List<Waiting> heads() {
        return bySize.values().stream().map(NavigableSet::first).sorted(ORDER).toList();
    }

    /** How many come before. */
    int rank(Waiting entry) {
        return queue.rank(entry);
    }

    boolean isEmpty() {
        return queue.isEmpty();
    }

    int size() {
        return queue.size();
    }

    /** In order. */
    List<ReplicaId> replicas() {
        List<ReplicaId> replicas = new ArrayList<>();
        queue.forEach(entry -> replicas.add(entry.replica()));
        return List.copyOf(replicas);
    }
}
