package dev.dormouse.domain.warmup;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.warmup.WarmupRequest.Urgency;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** H75: one decision while so many replicas wait. {@code mvn -pl operator/domain -am test-compile}, then operator/domain/bench. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class WarmupSchedulerBench {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final Duration LEASE = Duration.ofMinutes(10);

    @Param({"100", "10000"})
    public int queued;

    private WarmupScheduler scheduler = new WarmupScheduler(WarmupLimits.ofConcurrent(64, 2));
    private long step;

    @Setup(Level.Trial)
    public void fill() {
        scheduler = new WarmupScheduler(WarmupLimits.ofConcurrent(64, 2));
        Map<String, Integer> nodes = new HashMap<>();
        for (int node = 0; node < 32; node++) {
            nodes.put("node-" + node, 8);
        }
        scheduler.observe(WarmupLimits.ofConcurrent(64, 2), new RoomLimits(true, "p", "nvidia.com/gpu", nodes, 0));
        for (int i = 0; i < queued; i++) {
            scheduler.schedule(request(i), T0.plusMillis(i));
        }
    }

    /** A slot falls free, the best of those who wait gets it, and another one comes into the queue. */
    @Benchmark
    public Optional<ReplicaId> admitCompleteQueue() {
        step++;
        Instant now = T0.plusMillis(queued + step);
        Optional<ReplicaId> next = scheduler.next(now);
        if (next.isPresent()) {
            scheduler.complete(next.get(), now);
            scheduler.vacate(next.get().model(), Set.of());
            scheduler.schedule(request(queued + step), now);
        }
        return next;
    }

    @Benchmark
    public Optional<QueuePosition> position() {
        return scheduler.position(id(queued / 2));
    }

    private static WarmupRequest request(long i) {
        return new WarmupRequest(id(i), i % 3 == 0 ? Urgency.Demand : Urgency.PreWarm, (int) (i % 10), LEASE,
                1 << (i % 4));
    }

    private static ReplicaId id(long i) {
        return new ReplicaId(new ModelKey("team-" + i % 50, "model-" + i), "pod-" + i);
    }
}
