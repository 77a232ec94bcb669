package dev.dormouse.cluster.kubelet;

import dev.dormouse.cluster.kubelet.Probing.Kind;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.Probe;
import java.time.Duration;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * The probes of one run of a container: the startup probe first, the others once it has succeeded. Counts what they
 * report. Owned by the pod's worker.
 */
final class ContainerProbes {
    /** What a report means for the container. */
    enum Verdict {
        NOTHING_NEW, STARTED, READY, NOT_READY, CONDEMNED
    }

    private final Map<Kind, Probing> probings = new EnumMap<>(Kind.class);
    private final Map<Kind, ProbeTally> tallies = new EnumMap<>(Kind.class);
    private final Map<Kind, Thread> threads = new EnumMap<>(Kind.class);

    private ContainerProbes() {}

    static ContainerProbes of(Container container, String podIp, Launch launch, MountPaths mounts, String mark)
            throws NotRunnable {
        ContainerProbes probes = new ContainerProbes();
        for (Kind kind : Kind.values()) {
            Optional<Probe> probe = kind.of(container);
            if (probe.isPresent()) {
                probes.probings.put(kind, Probing.of(probe.get(), container, podIp, launch, mounts, mark));
                probes.tallies.put(kind, ProbeTally.of(probe.get()));
            }
        }
        return probes;
    }

    /** Whether a container counts as started by running. */
    boolean startedFromTheOutset() {
        return !probings.containsKey(Kind.STARTUP);
    }

    /** Whether a started container counts as ready. */
    boolean readyOnceStarted() {
        return !probings.containsKey(Kind.READINESS);
    }

    /**
     * Starts the probes that are due. To be called when the container runs, and again when it has started.
     *
     * @param startupInterval see {@link NodeConfig#startupProbeInterval}
     */
    void start(boolean started, Optional<Duration> startupInterval, BiConsumer<Kind, Optional<String>> report) {
        if (started) {
            start(Kind.READINESS, Optional.empty(), report);
            start(Kind.LIVENESS, Optional.empty(), report);
        } else {
            start(Kind.STARTUP, startupInterval, report);
        }
    }

    private void start(Kind kind, Optional<Duration> every, BiConsumer<Kind, Optional<String>> report) {
        Probing probing = probings.get(kind);
        if (probing != null) {
            threads.put(kind, probing.start("probe-" + kind, every, failure -> report.accept(kind, failure)));
        }
    }

    Verdict count(Kind kind, boolean success) {
        ProbeTally before = tallies.get(kind);
        if (before == null || !threads.containsKey(kind)) {
            return Verdict.NOTHING_NEW;
        }
        ProbeTally tally = before.count(success);
        tallies.put(kind, tally);
        return switch (kind) {
            case READINESS -> tally.passed() ? Verdict.READY : tally.failed() ? Verdict.NOT_READY : Verdict.NOTHING_NEW;
            case STARTUP -> tally.passed() ? Verdict.STARTED : tally.failed() ? Verdict.CONDEMNED : Verdict.NOTHING_NEW;
            case LIVENESS -> tally.failed() ? Verdict.CONDEMNED : Verdict.NOTHING_NEW;
        };
    }

    void stop() {
        threads.values().forEach(Thread::interrupt);
        threads.clear();
    }
}
