package dev.dormouse.cli.bench.run;

import dev.dormouse.cli.bench.Measurement;
import dev.dormouse.cli.figures.Figure.Better;
import dev.dormouse.cli.wake.WakeTrace;
import dev.dormouse.sidecar.api.PhaseTiming;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/** Collects what was measured, key by key, warm-ups apart. */
final class Samples {
    private record Key(String name, String unit, Better better) {}

    private final Map<Key, List<Double>> counted = new LinkedHashMap<>();
    private final Map<Key, List<Double>> discarded = new LinkedHashMap<>();

    /** One wake by the clock D2: steps that follow each other and add up to the total. Skipped phases leave no sample. */
    void wake(Kind kind, boolean counts, WakeTrace wake) {
        String prefix = prefix(kind);
        long started = wake.sidecar().startedAtEpochMicros();
        long ready = wake.sidecar().readyAtEpochMicros();
        millis(prefix + "total", counts, wake.totalMicros());
        millis(prefix + "request_to_decision", counts, Math.max(0, wake.decidedAt() - wake.requestedAt()));
        millis(prefix + "decision_to_pod", counts, Math.max(0, wake.podSeenAt() - wake.decidedAt()));
        millis(prefix + "pod_to_node", counts, Math.max(0, wake.scheduledAt() - wake.podSeenAt()));
        millis(prefix + "node_to_sidecar", counts, Math.max(0, started - wake.scheduledAt()));
        long outside = ready - started;
        for (String phase : PhaseTiming.NAMES) {
            long micros = wake.phaseMicros(phase);
            outside -= micros;
            if (micros > 0) {
                millis(prefix + phase, counts, micros);
            }
        }
        millis(prefix + "outside_phases", counts, Math.max(0, outside));
        millis(prefix + "ready_to_answer", counts, wake.answeredAt() - ready);
        millis(prefix + "request_to_ready", counts, ready - wake.requestedAt());
        millis(prefix + "pod_to_ready", counts, ready - wake.podSeenAt());
        millis(prefix + "first_inference", counts, wake.sidecar().firstInferenceMicros());
        if (wake.restoreRate() > 0) {
            add(prefix + "bytes", "bytes", Better.Lower, counts, wake.sidecar().restoredBytes());
            add(prefix + "rate", "GB/s", Better.Higher, counts, wake.restoreRate() / 1e9);
        }
    }

    /** Each counted sample of one key, divided by a figure of the same run. */
    void ratio(String key, Better better, String of, double divisor) {
        Measurement measured = measurements().get(of);
        if (measured != null && divisor > 0) {
            measured.samples().forEach(sample -> add(key, "ratio", better, true, sample / divisor));
        }
    }

    /** The median of what was counted under a key; empty when nothing was. */
    OptionalDouble median(String key) {
        Measurement measured = measurements().get(key);
        return measured == null ? OptionalDouble.empty() : OptionalDouble.of(measured.summary().median());
    }

    void millis(String key, boolean counts, long micros) {
        add(key, "ms", Better.Lower, counts, micros / 1e3);
    }

    void add(String key, String unit, Better better, boolean counts, double value) {
        (counts ? counted : discarded).computeIfAbsent(new Key(key, unit, better), any -> new ArrayList<>())
                .add(value);
    }

    Map<String, Measurement> measurements() {
        Map<String, Measurement> measurements = new LinkedHashMap<>();
        counted.forEach((key, samples) -> measurements.put(key.name(),
                new Measurement(key.unit(), key.better(), samples, discarded.getOrDefault(key, List.of()))));
        return measurements;
    }

    static String prefix(Kind kind) {
        return kind.name().toLowerCase(java.util.Locale.ROOT) + ".";
    }
}
