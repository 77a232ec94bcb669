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

    /** The volume's own keys, wrapped. */
    static final String KEYS = "keys";
    /** How fast restores were, for those who decide how to store. */
    static final String RESTORES = "restores";

    private static final String KEY_SUFFIX = ".key";
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

    static String signature(String id) {
        return snapshot(id) + "/manifest.sig";
    }

    static String key(String keyId) {
        return KEYS + "/" + keyId + KEY_SUFFIX;
    }

    /** The ids of keys among a folder's names, sorted. */
    static List<String> keyIds(List<String> names) {
        return names.stream()
                .filter(name -> name.endsWith(KEY_SUFFIX))
                .map(name -> name.substring(0, name.length() - KEY_SUFFIX.length()))
                .sorted()
                .toList();
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
