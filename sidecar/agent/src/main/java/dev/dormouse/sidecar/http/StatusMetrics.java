package dev.dormouse.sidecar.http;

import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.cuda.GpuFigure;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The status as Prometheus text. All figures describe this one process, so they are gauges; a metrics
 * library would cost more of the start than everything else here.
 */
final class StatusMetrics {
    private StatusMetrics() {}

    static String text(SidecarStatus status, SnapshotStats stats, Map<GpuFigure, Double> gpu) {
        StringBuilder text = new StringBuilder(2_048);
        head(text, "phase", "1 for the phase the replica is in");
        for (ReplicaPhase phase : ReplicaPhase.values()) {
            sample(text, "phase", "phase", phase.name(), status.phase() == phase ? 1 : 0);
        }
        head(text, "warmup_phase_seconds", "duration of each warmup phase that has ended");
        for (PhaseTiming phase : status.phases()) {
            if (phase.state() == PhaseTiming.State.Done || phase.state() == PhaseTiming.State.Failed) {
                sample(text, "warmup_phase_seconds", "phase", phase.name(), phase.micros() / 1e6);
            }
        }
        head(text, "warmup_failures", "warmup phases that failed, with the reason");
        status.phases()
                .stream()
                .filter(phase -> phase.state() == PhaseTiming.State.Failed)
                .forEach(
                        phase -> sample(text, "warmup_failures", "reason", reason(status.reason(), phase.name()), 1));
        plain(text, "warmup_iterations", "warmup requests answered", status.warmupIterations());
        plain(text, "first_inference_seconds", "the first warmup request", status.firstInferenceMicros() / 1e6);
        plain(text, "restored_bytes", "raw bytes restored from a snapshot", status.restoredBytes());
        plain(text, "memory_bytes", "device memory in use after warmup", status.memoryBytes());
        snapshot(text, status.snapshot(), status.previousSnapshot());
        plain(text, "start_time_seconds", "when the sidecar started", status.startedAtEpochMicros() / 1e6);
        if (status.readyAtEpochMicros() > 0) {
            plain(text, "wake_seconds", "from the start of the sidecar to Ready",
                    (status.readyAtEpochMicros() - status.startedAtEpochMicros()) / 1e6);
        }
        counters(text, stats);
        gpu.forEach((figure, value) -> {
            head(text, "gpu_" + figure.metric(), figure.help());
            sample(text, "gpu_" + figure.metric(), "model", status.model(), value);
        });
        return text.toString();
    }

    private static void counters(StringBuilder text, SnapshotStats stats) {
        plain(text, "snapshots_created", "snapshots this process has saved", stats.created());
        plain(text, "snapshots_restored", "snapshots this process has restored", stats.restored());
        plain(text, "snapshot_bytes_saved", "raw bytes of all saves", stats.bytesSaved());
        plain(text, "snapshot_bytes_restored", "raw bytes of all restores", stats.bytesRestored());
        head(text, "snapshot_errors", "saves and restores that failed, by code");
        stats.failures().forEach((code, count) -> sample(text, "snapshot_errors", "code", code, count));
    }

    private static void snapshot(StringBuilder text, SnapshotReport now, @Nullable SnapshotReport refused) {
        boolean saved = now.state() == SnapshotReport.State.Saved;
        boolean restored = now.state() == SnapshotReport.State.Restored;
        plain(text, "saved_bytes", "raw bytes of the snapshot this start has saved", saved ? now.rawBytes() : 0);
        plain(text, "stored_bytes", "bytes of that snapshot on the volume", saved ? now.storedBytes() : 0);
        plain(text, "save_seconds", "time it took to save it", saved ? now.micros() / 1e6 : 0);
        plain(text, "restore_seconds", "time it took to restore a snapshot", restored ? now.micros() / 1e6 : 0);
        head(text, "snapshot_failures", "snapshots refused, and saves that failed, with the reason");
        if (refused != null) {
            sample(text, "snapshot_failures", "reason", reason(refused.reason(), refused.state().name()), 1);
        }
        if (now.state() == SnapshotReport.State.Failed) {
            sample(text, "snapshot_failures", "reason", reason(now.reason(), "Failed"), 1);
        }
    }

    private static String reason(@Nullable String reason, String otherwise) {
        return Objects.requireNonNullElse(reason, otherwise);
    }

    private static void head(StringBuilder text, String name, String help) {
        text.append("# HELP dormouse_sidecar_").append(name).append(' ').append(help).append('\n');
        text.append("# TYPE dormouse_sidecar_").append(name).append(" gauge\n");
    }

    private static void plain(StringBuilder text, String name, String help, double value) {
        head(text, name, help);
        text.append("dormouse_sidecar_").append(name).append(' ').append(number(value)).append('\n');
    }

    private static void sample(StringBuilder text, String name, String label, String is, double value) {
        String escaped = is.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
        text.append("dormouse_sidecar_")
                .append(name)
                .append('{')
                .append(label)
                .append("=\"")
                .append(escaped)
                .append("\"} ")
                .append(number(value))
                .append('\n');
    }

    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e15
                ? Long.toString((long) value)
                : String.format(Locale.ROOT, "%.6f", value);
    }
}
