package dev.dormouse.cli.demo;

import dev.dormouse.cli.wake.WakeTrace;
import dev.dormouse.sidecar.api.PhaseTiming;
import java.util.Locale;
import java.util.function.ToLongFunction;

/** The table at the end of the demo: each phase of the cold start and of the restore side by side. */
final class DemoReport {
    private static final String ROW = "  %-44s %14s %14s%n";

    private DemoReport() {}

    static String render(WakeTrace cold, WakeTrace restore) {
        StringBuilder table = new StringBuilder();
        row(table, "", cold.sidecar().rung() + " start", restore.sidecar().rung() + " restore");
        durations(table, "request sent → wake decided", wake -> Math.max(0, wake.decidedAt() - wake.requestedAt()),
                cold, restore);
        durations(table, "wake decided → pod created", wake -> Math.max(0, wake.podSeenAt() - wake.decidedAt()), cold,
                restore);
        durations(table, "pod created → sidecar's first instruction",
                wake -> Math.max(0, wake.sidecar().startedAtEpochMicros() - wake.podSeenAt()), cold, restore);
        durations(table, "sidecar start → replica ready",
                wake -> wake.sidecar().readyAtEpochMicros() - wake.sidecar().startedAtEpochMicros(), cold, restore);
        for (String phase : PhaseTiming.NAMES) {
            durations(table, "    of which " + phase, wake -> wake.phaseMicros(phase), cold, restore);
        }
        durations(table, "replica ready → answer at the client",
                wake -> wake.answeredAt() - wake.sidecar().readyAtEpochMicros(), cold, restore);
        durations(table, "request sent → answer", WakeTrace::totalMicros, cold, restore);
        row(table, "bytes from the snapshot", bytes(cold.sidecar().restoredBytes()),
                bytes(restore.sidecar().restoredBytes()));
        row(table, "restore rate, every chunk checked", rate(cold.restoreRate()), rate(restore.restoreRate()));
        row(table, "answer (first components)", head(cold), head(restore));
        row(table, "largest difference of the two answers", "",
                String.format(Locale.ROOT, "%s", plain(cold.distance(restore))));
        return table.toString();
    }

    private static void durations(StringBuilder table, String label, ToLongFunction<WakeTrace> micros, WakeTrace cold,
            WakeTrace restore) {
        row(table, label, millis(micros.applyAsLong(cold)), millis(micros.applyAsLong(restore)));
    }

    private static void row(StringBuilder table, String label, String left, String right) {
        table.append(String.format(Locale.ROOT, ROW, label, left, right));
    }

    static String millis(long micros) {
        if (micros == 0) {
            return "–";
        }
        return micros < 10_000
                ? String.format(Locale.ROOT, "%.2f ms", micros / 1e3)
                : String.format(Locale.ROOT, "%,d ms", Math.round(micros / 1e3));
    }

    private static String bytes(long bytes) {
        return bytes == 0 ? "–" : String.format(Locale.ROOT, "%.1f MB", bytes / 1e6);
    }

    private static String rate(double bytesPerSecond) {
        return bytesPerSecond == 0 ? "–" : String.format(Locale.ROOT, "%.2f GB/s", bytesPerSecond / 1e9);
    }

    private static String head(WakeTrace wake) {
        return wake.embedding()
                .stream()
                .limit(2)
                .map(value -> String.format(Locale.ROOT, "%.4f", value))
                .reduce((left, right) -> left + " " + right)
                .orElse("");
    }

    private static String plain(double distance) {
        return distance == 0 ? "0" : String.format(Locale.ROOT, "%.1e", distance);
    }
}
