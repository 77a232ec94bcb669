package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.format.SnapshotId;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.pipeline.RestoreTask;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The snapshots of a volume. Keeps nothing in memory: the volume is the truth, and other pods may write to it. Thread-safe.
 */
public final class SnapshotStore {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotStore.class);

    private final SnapshotFiles files;
    private final Clock clock;
    private final Catalog catalog;
    private final Intents intents;
    private final Remover remover;
    private final SnapshotWriter writer;

    private SnapshotStore(SnapshotFiles files, Writer writer, Clock clock, long maxPackBytes) {
        this.files = files;
        this.clock = clock;
        this.catalog = new Catalog(files);
        this.intents = new Intents(files, writer, clock);
        this.remover = new Remover(files, intents);
        this.writer = new SnapshotWriter(files, catalog, intents, remover, maxPackBytes);
    }

    /**
     * Opens the volume, creates its folders where they are missing, and removes what unfinished saves left.
     *
     * @param root the volume's folder; must exist
     */
    public static SnapshotStore open(Path root, Writer writer, Clock clock) throws IOException {
        return open(new DiskFiles(root), writer, clock, SnapshotFormat.MAX_PACK_BYTES);
    }

    /**
     * Opens a volume that others use, as it is: nothing is created and nothing removed.
     *
     * @throws IOException when the folder is no snapshot volume
     */
    public static SnapshotStore visit(Path root, Clock clock) throws IOException {
        if (!existsAt(root)) {
            throw new IOException(root + " is no snapshot volume: it has no folders snapshots/ and packs/");
        }
        // A name that no living pod has, so that nothing of a pod's is taken for an earlier life of this process.
        String visitor = SnapshotId.next(clock.instant(), ThreadLocalRandom.current());
        return new SnapshotStore(new DiskFiles(root), Writer.inPod("visitor-" + visitor), clock,
                SnapshotFormat.MAX_PACK_BYTES);
    }

    /** Whether anything was ever saved below this folder. */
    public static boolean existsAt(Path root) {
        return Files.isDirectory(root.resolve(VolumePaths.SNAPSHOTS))
                && Files.isDirectory(root.resolve(VolumePaths.PACKS));
    }

    static SnapshotStore open(SnapshotFiles files, Writer writer, Clock clock, long maxPackBytes) throws IOException {
        var store = new SnapshotStore(files, writer, clock, maxPackBytes);
        for (String folder : List.of(VolumePaths.PACKS, VolumePaths.SNAPSHOTS, VolumePaths.INTENTS,
                VolumePaths.TRASH)) {
            files.createFolder(folder);
        }
        files.sync("");
        store.remover.clean(Set.of());
        return store;
    }

    /** The newest usable snapshot with this key. */
    public Optional<Snapshot> newest(String key) throws IOException {
        return list().newest(key);
    }

    public Listing list() throws IOException {
        return catalog.list();
    }

    /**
     * Begins to restore: memory is allocated when this returns, its content arrives in the background.
     *
     * @throws RestoreException when the snapshot is damaged in a way that shows at once, cannot be read, or does not fit
     */
    public RestoreTask restore(Snapshot snapshot, DeviceMemory device, RestoreOptions options) throws RestoreException {
        Manifest manifest = snapshot.manifest();
        try {
            var packs = new PackReader(files, manifest.packs(), announceRestore(manifest.id()));
            try {
                return RestoreTask.start(manifest, catalog.table(manifest), packs, device, options);
            } catch (RestoreException | InvalidSnapshotException | IOException e) {
                packs.close();
                throw e;
            }
        } catch (InvalidSnapshotException e) {
            throw RestoreException.of(e);
        } catch (IOException e) {
            throw new RestoreException(Fault.ReadFailed, "snapshot " + manifest.id() + ": " + e.getMessage(), e);
        }
    }

    /** A volume that cannot be written to restores all the same: nobody can unlink anything there either. */
    private Closeable announceRestore(String id) {
        try {
            Intent intent = intents.announce(Intent.Kind.Restore, id);
            return () -> intents.strike(intent);
        } catch (IOException e) {
            LOG.atWarn().addKeyValue("snapshot", id).log("Restoring without an announcement: {}", e.getMessage());
            return () -> {
            };
        }
    }

    /**
     * Saves and publishes a new snapshot. Until it returns, the newest snapshot of the key is the one before.
     *
     * @throws VolumeFullException before anything is written, or when the volume fills up meanwhile
     * @throws InvalidSnapshotException when the request breaks a rule of the format; nothing is written then
     * @throws IOException when writing failed; what was written is removed
     */
    public Snapshot save(SaveRequest request, DeviceMemory device, SaveOptions options, ProgressListener progress)
            throws IOException, InvalidSnapshotException {
        String id = SnapshotId.next(clock.instant(), ThreadLocalRandom.current());
        return writer.save(id, request, device, options, progress);
    }

    /** Never offers the snapshot again. The bytes stay for inspection; the first reason stands. */
    public void quarantine(String id, String reason, String message) throws IOException {
        catalog.quarantine(checked(id), reason, message, clock.instant());
        LOG.atWarn().addKeyValue("snapshot", id).addKeyValue("reason", reason).log(message);
    }

    /**
     * Keeps retention away from a snapshot, or lets it come near again.
     *
     * @throws NoSuchFileException when it is not published
     */
    public void pin(String id, boolean pinned) throws IOException {
        if (!files.exists(VolumePaths.manifest(checked(id)))) {
            throw new NoSuchFileException(id, null, "there is no such snapshot");
        }
        String pin = VolumePaths.pin(id);
        if (pinned && !files.exists(pin)) {
            files.create(pin).close();
        } else if (!pinned) {
            files.delete(pin);
        }
        files.sync(VolumePaths.snapshot(id));
    }

    /**
     * Deletes a snapshot; an unknown id is fine (S38). Its bytes are freed by the next {@link #collect}. When it fails
     * half-way the snapshot no longer exists and the next start of the sidecar removes the rest.
     */
    public void delete(String id) throws IOException {
        remover.delete(checked(id));
    }

    /**
     * Reads a snapshot from end to end, and compares every chunk with its checksum and its identity.
     *
     * @param workers threads that read
     * @throws NoSuchFileException when it is not published
     */
    public VerifyReport verify(String id, int workers) throws IOException {
        if (!files.exists(VolumePaths.manifest(checked(id)))) {
            throw new NoSuchFileException(id, null, "there is no such snapshot");
        }
        return new Verifier(files, catalog).verify(id, announceRestore(id), workers);
    }

    /** Deletes what the policy does not keep. One that cannot be deleted does not keep the others (S58). */
    public PruneReport prune(RetentionPolicy policy) throws IOException {
        return Retention.apply(policy, catalog, clock.instant(), remover);
    }

    /**
     * Frees the bytes that no snapshot needs any more.
     *
     * @throws IOException when the volume fails; the next collection carries on
     */
    public CollectReport collect(CollectOptions options) throws IOException, InterruptedException {
        return collector(options, time -> TimeUnit.NANOSECONDS.sleep(time.toNanos())).collect();
    }

    Collector collector(CollectOptions options, Collector.Pause pause) {
        return new Collector(files, catalog, intents, remover, options, pause);
    }

    private static String checked(String id) {
        if (!SnapshotId.valid(id)) {
            throw new IllegalArgumentException("'" + id + "' is no snapshot id");
        }
        return id;
    }
}
