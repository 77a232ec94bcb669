package dev.dormouse.domain.snapshot;

import java.time.Instant;
import java.util.Map;
import java.util.Set;

/**
 * What was found on a volume.
 *
 * @param at when looking began: what came later may be missing
 * @param pinned every snapshot there by its id, usable or not, and whether the volume has it pinned
 * @param pruned ids that retention deleted just before
 * @param freed whether the bytes of everything deleted before were freed
 */
public record Survey(Instant at, Map<String, Boolean> pinned, Set<String> pruned, boolean freed) {
    public Survey {
        pinned = Map.copyOf(pinned);
        pruned = Set.copyOf(pruned);
    }

    boolean has(String id) {
        return pinned.containsKey(id);
    }
}
