package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.SnapshotId;
import java.io.IOException;
import java.util.List;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes snapshots off a volume, in an order in which a crash never leaves one that exists and misses something. Packs of a
 * snapshot that was ever published are not touched here: others may refer to them, and {@link Collector} finds out.
 */
final class Remover {
    private static final Logger LOG = LoggerFactory.getLogger(Remover.class);

    private final SnapshotFiles files;
    private final Intents intents;

    Remover(SnapshotFiles files, Intents intents) {
        this.files = files;
        this.intents = intents;
    }

    /**
     * Unpublishes a snapshot; an id that is not there is fine. A crash half-way is finished by the next {@link #clean}.
     */
    void delete(String id) throws IOException {
        // A save that was published and could not strike its intent must not look like one that never was.
        intents.strikeAll(intent -> intent.snapshotId().equals(id) && intent.kind() == Intent.Kind.Save);
        intents.announce(Intent.Kind.Delete, id);
        removeFolder(id);
        intents.strikeAll(intent -> intent.snapshotId().equals(id) && intent.kind() == Intent.Kind.Delete);
    }

    /** What a save of this process left that failed before it was published, as far as it knows. */
    void removeUnfinished(String id) throws IOException {
        // A rename that reports an error may have happened: then others may refer to the packs already.
        boolean published = files.exists(VolumePaths.manifest(id));
        removeFolder(id);
        if (!published) {
            removePacks(id);
        }
    }

    /**
     * Finishes or undoes what others began and can no longer end.
     *
     * @param gonePods uids of pods that certainly run nowhere
     */
    void clean(Set<String> gonePods) throws IOException {
        for (Intent intent : intents.present()) {
            if (!intents.abandoned(intent, gonePods)) {
                continue;
            }
            String id = intent.snapshotId();
            if (intent.kind() != Intent.Kind.Restore && !files.exists(VolumePaths.manifest(id))) {
                LOG.atInfo().addKeyValue("snapshot", id).log("Removing what an unfinished {} left", intent.kind());
                removeFolder(id);
                if (intent.kind() == Intent.Kind.Save) {
                    removePacks(id);
                }
            }
            intents.strike(intent);
        }
    }

    /** The manifest goes first and durably: a snapshot must stop to exist before it misses anything. */
    private void removeFolder(String id) throws IOException {
        String folder = VolumePaths.snapshot(id);
        if (files.exists(VolumePaths.manifest(id))) {
            files.delete(VolumePaths.manifest(id));
            files.sync(folder);
        }
        for (String name : files.list(folder)) {
            files.delete(folder + "/" + name);
        }
        files.delete(folder);
        files.sync(VolumePaths.SNAPSHOTS);
    }

    /** Of a save that was never published, so that nobody refers to them. */
    private void removePacks(String id) throws IOException {
        List<String> packs = VolumePaths.packIds(files.list(VolumePaths.PACKS));
        for (String pack : packs) {
            if (SnapshotId.ofPack(pack).equals(id)) {
                files.delete(VolumePaths.pack(pack));
            }
        }
        files.sync(VolumePaths.PACKS);
    }
}
