package dev.dormouse.sidecar.store;

import java.util.List;

/**
 * What a collection did.
 *
 * @param unlinkedPacks that no snapshot refers to any more
 * @param keptPacks that were in the trash and are needed after all
 * @param rewrittenPacks of which less than half was needed
 * @param freedBytes of the volume, by unlinking and rewriting
 * @param waitingFor names of the intents because of which the trash stays until the next collection
 * @param refused ids of snapshots of a newer version: nothing is collected beside them
 */
public record CollectReport(int unlinkedPacks, int keptPacks, int rewrittenPacks, long freedBytes,
        List<String> waitingFor, List<String> refused) {
    public CollectReport {
        waitingFor = List.copyOf(waitingFor);
        refused = List.copyOf(refused);
    }

    static CollectReport refused(List<String> newer) {
        return new CollectReport(0, 0, 0, 0, List.of(), newer);
    }

    static CollectReport waiting(List<String> intents) {
        return new CollectReport(0, 0, 0, 0, intents, List.of());
    }

    CollectReport rewrote(int packs, long bytes) {
        return new CollectReport(unlinkedPacks, keptPacks, rewrittenPacks + packs, freedBytes + bytes, waitingFor,
                refused);
    }
}
