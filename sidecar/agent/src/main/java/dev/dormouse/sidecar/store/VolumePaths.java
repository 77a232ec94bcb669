package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.SnapshotId;
import java.util.List;

/** Where things lie on a volume. Ids were checked against their patterns before they come here. */
final class VolumePaths {
    static final String PACKS = "packs";
    static final String SNAPSHOTS = "snapshots";
    static final String INTENTS = "intents";
    /** Packs that nothing refers to, until it is certain that nothing will. */
    static final String TRASH = "trash";

    private static final String PACK_SUFFIX = ".pack";

    private VolumePaths() {}

    static String pack(String packId) {
        return PACKS + "/" + packId + PACK_SUFFIX;
    }

    static String trashed(String packId) {
        return TRASH + "/" + packId + PACK_SUFFIX;
    }

    /** The ids of the packs among a folder's names, sorted; other names mean nothing to us. */
    static List<String> packIds(List<String> names) {
        return names.stream()
                .filter(name -> name.endsWith(PACK_SUFFIX))
                .map(name -> name.substring(0, name.length() - PACK_SUFFIX.length()))
                .filter(SnapshotId::validPack)
                .sorted()
                .toList();
    }

    static String snapshot(String id) {
        return SNAPSHOTS + "/" + id;
    }

    static String manifest(String id) {
        return snapshot(id) + "/manifest.json";
    }

    static String chunkTable(String id) {
        return snapshot(id) + "/chunks.tbl";
    }

    static String quarantine(String id) {
        return snapshot(id) + "/quarantined.json";
    }

    /** Present: retention leaves the snapshot alone. */
    static String pin(String id) {
        return snapshot(id) + "/pinned";
    }

    /** What a file is called until it is complete. */
    static String unfinished(String path) {
        return path + ".tmp";
    }
}
