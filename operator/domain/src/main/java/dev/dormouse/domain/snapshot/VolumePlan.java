package dev.dormouse.domain.snapshot;

import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What is to happen to a volume and to the resources of its snapshots.
 *
 * @param adopt ids on the volume that have no resource
 * @param release names whose deletion may be completed, with the reason
 * @param drop names whose bytes are gone for a reason we know: the resource goes as well
 * @param missing names whose bytes are gone, and nobody knows why
 * @param work what a store pod is to do now; absent: nothing
 * @param recheckAt when the plan may change without any event
 */
public record VolumePlan(Set<String> adopt, Map<String, String> release, Map<String, String> drop, Set<String> missing,
        Optional<Work> work, Optional<Instant> recheckAt) {

    /**
     * @param prune whether retention is due
     * @param verify ids to read from end to end, each with the mark of the wish
     */
    public record Work(Set<String> delete, Set<String> pin, Set<String> unpin, boolean prune,
            Map<String, String> verify) {
        public Work {
            delete = Set.copyOf(delete);
            pin = Set.copyOf(pin);
            unpin = Set.copyOf(unpin);
            verify = Map.copyOf(verify);
        }

        boolean isEmpty() {
            return delete.isEmpty() && pin.isEmpty() && unpin.isEmpty() && !prune && verify.isEmpty();
        }
    }

    public VolumePlan {
        adopt = Set.copyOf(adopt);
        release = Map.copyOf(release);
        drop = Map.copyOf(drop);
        missing = Set.copyOf(missing);
    }
}
