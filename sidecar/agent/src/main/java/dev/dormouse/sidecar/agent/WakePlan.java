package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** How an engine that says hello gets its memory. Decided from values only. */
sealed interface WakePlan {
    /** The sidecar keeps nothing for it; {@code message} says what to do about that, where something can be done. */
    record Bypass(String reason, @Nullable String message) implements WakePlan {}

    /** Memory that fits is here, or on its way from the volume. */
    record Attach() implements WakePlan {}

    /**
     * The engine loads from the source into memory of the sidecar.
     *
     * @param incompatible what in the memory at hand does not fit; absent when there is none
     */
    record Create(@Nullable String incompatible) implements WakePlan {}

    /**
     * @param snapshots whether there is a volume to keep snapshots on
     * @param preload H3: whether weights are the sidecar's business
     * @param memory of this sidecar
     * @param atHand compatibility of the memory at hand; absent when there is none
     */
    static WakePlan decide(boolean snapshots, boolean preload, Memory memory, @Nullable Map<String, String> atHand,
            EngineMessage.Hello hello) {
        if (!snapshots) {
            return new Bypass("SnapshotsOff", null);
        }
        if (!preload) {
            return new Bypass("PreloadWeightsOff", null);
        }
        if (!hello.memory().contains(memory)) {
            return new Bypass("UnsupportedMemory",
                    "the engine %s cannot use memory of mode %s, so it loads by itself: set snapshot.memory to one of %s"
                            .formatted(hello.engine(), memory, hello.memory()));
        }
        if (atHand == null) {
            return new Create(null);
        }
        Map<String, String> wanted = compatibility(hello);
        return atHand.equals(wanted) ? new Attach() : new Create(difference(atHand, wanted));
    }

    /** What must be equal for an engine to use the memory of another one: its kind, version and own conditions. */
    static Map<String, String> compatibility(EngineMessage.Hello hello) {
        Map<String, String> compatibility = new TreeMap<>(hello.compatibility());
        compatibility.put("engine", hello.engine());
        compatibility.put("engine.version", hello.engineVersion());
        return Map.copyOf(compatibility);
    }

    private static String difference(Map<String, String> atHand, Map<String, String> wanted) {
        Map<String, String> all = new TreeMap<>(atHand);
        all.putAll(wanted);
        StringBuilder text = new StringBuilder();
        for (String key : all.keySet()) {
            String there = atHand.getOrDefault(key, "nothing");
            String here = wanted.getOrDefault(key, "nothing");
            if (!there.equals(here)) {
                text.append(text.isEmpty() ? "" : "; ")
                        .append(key)
                        .append(" is ")
                        .append(there)
                        .append(" in the snapshot and ")
                        .append(here)
                        .append(" in the engine");
            }
        }
        return text.toString();
    }
}
