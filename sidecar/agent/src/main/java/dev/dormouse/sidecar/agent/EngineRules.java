package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.PhaseTiming;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Bounds on what an engine says about itself: it ends up in manifests, in status and in logs. */
final class EngineRules {
    private static final int MAX_ENTRIES = 64;
    private static final int MAX_TEXT = 256;
    private static final int MAX_ERROR = 2_000;

    private EngineRules() {}

    static void check(EngineMessage.Hello hello) throws RefusedException {
        if (hello.protocol() < 1) {
            throw new RefusedException("UnsupportedProtocol",
                    "Protocol " + hello.protocol() + "; this sidecar speaks 1 to " + EngineMessage.PROTOCOL);
        }
        text("engine", hello.engine());
        text("engineVersion", hello.engineVersion());
        if (hello.compatibility().size() > MAX_ENTRIES) {
            throw new RefusedException("TooManyEntries",
                    "compatibility has " + hello.compatibility().size() + " entries; at most " + MAX_ENTRIES);
        }
        for (Map.Entry<String, String> entry : hello.compatibility().entrySet()) {
            text("key of compatibility", entry.getKey());
            text("value of compatibility", entry.getValue());
        }
    }

    static void check(EngineMessage.Ready ready) throws RefusedException {
        for (PhaseTiming phase : ready.phases()) {
            if (!PhaseTiming.NAMES.contains(phase.name()) || phase.state() == null || phase.micros() < 0
                    || phase.state() == PhaseTiming.State.Running) {
                throw new RefusedException("BadPhase",
                        "A phase must be one of " + PhaseTiming.NAMES + ", ended, and take 0 or more microseconds");
            }
            if (phase.error() != null && phase.error().length() > MAX_ERROR) {
                throw new RefusedException("BadPhase", "The error of " + phase.name() + " is longer than " + MAX_ERROR);
            }
        }
        if (ready.phases().size() > PhaseTiming.NAMES.size()) {
            throw new RefusedException("BadPhase", "There are only " + PhaseTiming.NAMES.size() + " phases");
        }
    }

    private static void text(String field, @Nullable String value) throws RefusedException {
        if (value == null || value.isEmpty() || value.length() > MAX_TEXT
                || value.chars().anyMatch(Character::isISOControl)) {
            throw new RefusedException("BadText",
                    "The " + field + " must have 1 to " + MAX_TEXT + " printable characters");
        }
    }
}
