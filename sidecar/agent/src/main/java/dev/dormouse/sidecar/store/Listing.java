package dev.dormouse.sidecar.store;

import java.util.List;
import java.util.Optional;

/** What is on a volume: usable snapshots, oldest first, and those that must not be used. */
public record Listing(List<Snapshot> snapshots, List<Refusal> refused) {
    public Listing {
        snapshots = List.copyOf(snapshots);
        refused = List.copyOf(refused);
    }

    /** The newest usable snapshot with this key. */
    public Optional<Snapshot> newest(String key) {
        return snapshots.reversed().stream().filter(snapshot -> snapshot.key().equals(key)).findFirst();
    }
}
