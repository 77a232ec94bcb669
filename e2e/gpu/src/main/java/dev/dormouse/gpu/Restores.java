package dev.dormouse.gpu;

import dev.dormouse.sidecar.api.EngineMessage.Memory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What restores reach of the limits, in every mode, the bytes compared; and what survives whom. */
final class Restores {
    private static final double ATTACH_GOAL_MILLIS = 50;
    private static final int RUNS = 3;

    private final Report report;
    private final Path folder;

    Restores(Report report, Path folder) {
        this.report = report;
        this.folder = folder;
    }

    /** The sidecar's own work, without an engine: from the page cache to memory it owns, checked, in a fresh JVM. */
    void owned(SampleSnapshot snapshot) throws IOException {
        try (Child child = Child.start(RestoreChild.class.getName(), Map.of(), log(),
                List.of(snapshot.volume().toString()))) {
            once("cuInit", child.await("cuInit"));
            once("context", child.await("context"));
            for (int run = 1; run <= RUNS; run++) {
                String[] words = child.await("restored");
                double rate = snapshot.bytes() / Double.parseDouble(words[2]);
                report.ratio("owned", name("restore", snapshot, run), rate, "GB/s", limit());
                same("owned", name("bytes equal", snapshot, run), words[3], snapshot);
            }
        }
    }

    private void once(String name, String[] words) {
        if (report.value("limits", name) == 0) {
            report.row("limits", name, Double.parseDouble(words[1]), "ms");
        }
    }

    /** A restore goes no faster than the slower of the two ways. */
    private double limit() {
        return Math.min(report.value("limits", Limits.TO_DEVICE), report.value("limits", Limits.PAGE_CACHE));
    }

    /** Sidecar and engine, each a process. In Owned the engine only maps; elsewhere all bytes go its way. */
    void throughTheProtocol(Memory memory, SampleSnapshot snapshot) throws IOException {
        String section = memory.name().toLowerCase(Locale.ROOT);
        try (Sidecar sidecar = Sidecar.start(memory, snapshot, folder);
                Child engine = engine(sidecar, RUNS)) {
            for (int run = 1; run <= RUNS; run++) {
                String[] words = engine.await("attached");
                double attach = Double.parseDouble(words[2]) / 1e6;
                if (memory == Memory.Owned) {
                    report.goal(section, name("attach", snapshot, run), attach, "ms", ATTACH_GOAL_MILLIS);
                } else {
                    report.ratio(section, name("restore", snapshot, run),
                            snapshot.bytes() / Double.parseDouble(words[3]), "GB/s", limit());
                }
                same(section, name("bytes equal", snapshot, run), words[4], snapshot);
            }
        }
    }

    /** Who dies, and what the other one still has. */
    void survival(SampleSnapshot snapshot) throws IOException {
        try (Sidecar sidecar = Sidecar.start(Memory.Owned, snapshot, folder)) {
            try (Child engine = engine(sidecar, 1)) {
                engine.await("attached");
            }
            try (Child next = engine(sidecar, 1)) {
                same("survival", "memory after the engine was killed", next.await("attached")[4], snapshot);
                next.await("serving");
                sidecar.close();
                same("survival", "mapping after the sidecar was killed", next.await("after")[1], snapshot);
            }
        }
    }

    private Child engine(Sidecar sidecar, int runs) throws IOException {
        return Child.start(EngineChild.class.getName(), Map.of(), log(),
                List.of(sidecar.socket().toString(), Integer.toString(runs)));
    }

    private void same(String section, String name, String crc, SampleSnapshot snapshot) {
        report.expected(section, name, Long.parseLong(crc) == snapshot.crc() ? 1 : 0, "bool", 1, null);
    }

    private static String name(String what, SampleSnapshot snapshot, int run) {
        long mib = snapshot.bytes() >> 20;
        return what + " " + (mib >= 1_024 ? (mib >> 10) + " GiB" : mib + " MiB") + ", run " + run;
    }

    private Path log() {
        return folder.resolve("children.log");
    }
}
