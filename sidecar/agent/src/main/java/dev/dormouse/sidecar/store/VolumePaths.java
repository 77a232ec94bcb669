package dev.dormouse.sidecar.store;

/** Where things lie on a volume. Ids were checked against their patterns before they come here. */
final class VolumePaths {
    static final String PACKS = "packs";
    static final String SNAPSHOTS = "snapshots";
    static final String INTENTS = "intents";

    private VolumePaths() {}

    static String pack(String packId) {
        return PACKS + "/" + packId + ".pack";
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

    /** What a file is called until it is complete. */
    static String unfinished(String path) {
        return path + ".tmp";
    }
}
