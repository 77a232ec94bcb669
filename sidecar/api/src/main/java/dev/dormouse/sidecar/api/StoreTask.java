package dev.dormouse.sidecar.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a store pod is to do on a volume, in this order: pin and unpin, delete, prune, verify, collect, list. The operator hands
 * it over in {@link SidecarEnvironment#STORE_TASK}.
 *
 * @param delete ids of snapshots; unknown ones are fine
 * @param maxAgeSeconds superseded snapshots that are older go; absent: any age is fine
 * @param maxSnapshots of one key; 0: any number
 * @param maxBytes of all packs that are left; 0: any size
 * @param settleSeconds after this long every node sees what another one did; 0 on a volume of one node
 * @param patienceSeconds how long to wait for saves and restores under way
 * @param gonePods uids of pods that certainly run nowhere
 * @param verify ids of snapshots to read from end to end, each with a mark that comes back with the answer
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record StoreTask(Set<String> pin, Set<String> unpin, Set<String> delete, @Nullable Long maxAgeSeconds,
        int maxSnapshots, long maxBytes, long settleSeconds, long patienceSeconds, Set<String> gonePods,
        Map<String, String> verify) {

    /** Without anything to verify. */
    public StoreTask(Set<String> pin, Set<String> unpin, Set<String> delete, @Nullable Long maxAgeSeconds,
            int maxSnapshots, long maxBytes, long settleSeconds, long patienceSeconds, Set<String> gonePods) {
        this(pin, unpin, delete, maxAgeSeconds, maxSnapshots, maxBytes, settleSeconds, patienceSeconds, gonePods,
                Map.of());
    }

    public StoreTask {
        verify = verify == null ? Map.of() : Map.copyOf(verify);
        pin = pin == null ? Set.of() : Set.copyOf(pin);
        unpin = unpin == null ? Set.of() : Set.copyOf(unpin);
        delete = delete == null ? Set.of() : Set.copyOf(delete);
        gonePods = gonePods == null ? Set.of() : Set.copyOf(gonePods);
    }

    /**
     * How it went, as {@code GET /v1/task} of a store pod answers it.
     *
     * @param pruned ids that retention deleted
     * @param freedBytes of the volume
     * @param waitingFor uids of pods that saved or restored for longer than the patience; some bytes are still there
     * @param errors one sentence each; what they concern was not done
     * @param listing what is on the volume now
     * @param verified one per snapshot that was to be read
     */
    public record Outcome(List<String> pruned, long freedBytes, Set<String> waitingFor, List<String> errors,
            VolumeListing listing, List<Verified> verified) {
        /** Without verifications. */
        public Outcome(List<String> pruned, long freedBytes, Set<String> waitingFor, List<String> errors,
                VolumeListing listing) {
            this(pruned, freedBytes, waitingFor, errors, listing, List.of());
        }

        public Outcome {
            verified = verified == null ? List.of() : List.copyOf(verified);
            pruned = pruned == null ? List.of() : List.copyOf(pruned);
            waitingFor = waitingFor == null ? Set.of() : Set.copyOf(waitingFor);
            errors = errors == null ? List.of() : List.copyOf(errors);
        }
    }

    /** How a verification ended. */
    public enum Verdict {
        /** Every byte is what was saved. */
        Intact,
        /** It is not, and the snapshot is in quarantine. */
        Damaged,
        /** It could not be read to its end, as without its keys: nothing is known. */
        Failed
    }

    /**
     * @param mark as the task gave it
     * @param problems one sentence each, none of an intact one
     */
    public record Verified(String id, String mark, Verdict verdict, int chunks, long rawBytes,
            List<String> problems) {
        public Verified {
            problems = problems == null ? List.of() : List.copyOf(problems);
        }
    }
}
