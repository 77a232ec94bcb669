package dev.dormouse.sidecar.store;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.ManifestCodec;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.format.SnapshotId;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.pipeline.RestoreTask;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The snapshots of a volume. Keeps nothing in memory: the volume is the truth, and other pods may write to it. Thread-safe.
 */
public final class SnapshotStore {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotStore.class);
    private static final JsonMapper JSON = new JsonMapper();
    private static final int MAX_QUARANTINE_BYTES = 1 << 20;
    /** No save takes this long; clocks of two nodes do not differ by so much. */
    private static final Duration ABANDONED_AFTER = Duration.ofHours(24);

    private static final Comparator<Snapshot> BY_AGE = Comparator.comparing(Snapshot::createdAt)
            .thenComparing(Snapshot::id);

    /** What is on a volume: usable snapshots, oldest first, and those that must not be used. */
    public record Listing(List<Snapshot> snapshots, List<Refusal> refused) {
        public Listing {
            snapshots = List.copyOf(snapshots);
            refused = List.copyOf(refused);
        }

        public Optional<Snapshot> newest(String key) {
            return snapshots.reversed().stream().filter(snapshot -> snapshot.key().equals(key)).findFirst();
        }
    }

    private record Quarantine(String reason, String message, String at) {}

    private final SnapshotFiles files;
    private final Clock clock;
    private final Intents intents;
    private final SnapshotWriter writer;

    private SnapshotStore(SnapshotFiles files, Writer writer, Clock clock, long maxPackBytes) {
        this.files = files;
        this.clock = clock;
        this.intents = new Intents(files, writer);
        this.writer = new SnapshotWriter(files, intents, maxPackBytes);
    }

    /**
     * Opens the volume, creates its folders where they are missing, and removes what unfinished saves left.
     *
     * @param root the volume's folder; must exist
     */
    public static SnapshotStore open(Path root, Writer writer, Clock clock) throws IOException {
        return open(new DiskFiles(root), writer, clock, SnapshotFormat.MAX_PACK_BYTES);
    }

    static SnapshotStore open(SnapshotFiles files, Writer writer, Clock clock, long maxPackBytes) throws IOException {
        var store = new SnapshotStore(files, writer, clock, maxPackBytes);
        for (String folder : List.of(VolumePaths.PACKS, VolumePaths.SNAPSHOTS, VolumePaths.INTENTS)) {
            files.createFolder(folder);
        }
        files.sync("");
        store.intents.clean(clock.instant(), ABANDONED_AFTER);
        return store;
    }

    /** The newest usable snapshot with this key. */
    public Optional<Snapshot> newest(String key) throws IOException {
        return list().newest(key);
    }

    public Listing list() throws IOException {
        var snapshots = new ArrayList<Snapshot>();
        var refused = new ArrayList<Refusal>();
        for (String id : files.list(VolumePaths.SNAPSHOTS)) {
            if (!SnapshotId.valid(id)) {
                LOG.atWarn().addKeyValue("name", id).log("Something in the volume's snapshots folder is no snapshot");
                continue;
            }
            try {
                Optional<Refusal> quarantine = quarantineOf(id);
                if (quarantine.isPresent()) {
                    refused.add(quarantine.get());
                } else {
                    snapshots.add(new Snapshot(readManifest(id)));
                }
            } catch (NoSuchFileException unpublished) {
                // A folder without a manifest is a save that has not ended, or was deleted meanwhile.
                LOG.atDebug().addKeyValue("snapshot", id).log("Not published");
            } catch (InvalidSnapshotException e) {
                refused.add(new Refusal(id, e.fault().name(), String.valueOf(e.getMessage())));
            }
        }
        snapshots.sort(BY_AGE);
        return new Listing(snapshots, refused);
    }

    private Manifest readManifest(String id) throws IOException, InvalidSnapshotException {
        String path = VolumePaths.manifest(id);
        return ManifestCodec.read(path, id, files.read(path, SnapshotFormat.MAX_MANIFEST_BYTES));
    }

    /** Where the mark is, the snapshot is out, even if nobody can read why. */
    private Optional<Refusal> quarantineOf(String id) throws IOException {
        if (!files.exists(VolumePaths.quarantine(id))) {
            return Optional.empty();
        }
        try {
            var quarantine = JSON.readValue(files.read(VolumePaths.quarantine(id), MAX_QUARANTINE_BYTES),
                    Quarantine.class);
            return Optional.of(new Refusal(id, quarantine.reason(), quarantine.message()));
        } catch (JsonProcessingException e) {
            return Optional.of(new Refusal(id, "Quarantined", "the reason cannot be read: " + e.getOriginalMessage()));
        }
    }

    /**
     * Begins to restore: memory is allocated when this returns, its content arrives in the background.
     *
     * @throws RestoreException when the snapshot is damaged in a way that shows at once, cannot be read, or does not fit
     */
    public RestoreTask restore(Snapshot snapshot, DeviceMemory device, RestoreOptions options) throws RestoreException {
        Manifest manifest = snapshot.manifest();
        String tablePath = VolumePaths.chunkTable(manifest.id());
        try {
            ChunkTable table = ChunkTable.read(tablePath,
                    files.read(tablePath, Math.toIntExact(manifest.chunkTable().bytes())), manifest);
            var packs = new PackReader(files, manifest.packs());
            try {
                return RestoreTask.start(manifest, table, packs, device, options);
            } catch (RestoreException e) {
                packs.close();
                throw e;
            }
        } catch (InvalidSnapshotException e) {
            throw RestoreException.of(e);
        } catch (NoSuchFileException e) {
            throw new RestoreException(Fault.InvalidChunkTable, tablePath + ": is missing", e);
        } catch (IOException e) {
            throw new RestoreException(Fault.ReadFailed, "snapshot " + manifest.id() + ": " + e.getMessage(), e);
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
        String path = VolumePaths.quarantine(checked(id));
        if (files.exists(path)) {
            return;
        }
        byte[] json = JSON.writerWithDefaultPrettyPrinter()
                .writeValueAsBytes(new Quarantine(reason, message, clock.instant().toString()));
        files.delete(VolumePaths.unfinished(path));
        try (SnapshotFiles.NewFile file = files.create(VolumePaths.unfinished(path))) {
            file.write(ByteBuffer.wrap(json), 0);
            file.force();
        }
        files.rename(VolumePaths.unfinished(path), path);
        files.sync(VolumePaths.snapshot(id));
        LOG.atWarn().addKeyValue("snapshot", id).addKeyValue("reason", reason).log(message);
    }

    /**
     * Deletes a snapshot and the packs written for it; an unknown id is fine (S38). When it fails half-way the snapshot no
     * longer exists and the next start of the sidecar removes the rest.
     */
    public void delete(String id) throws IOException {
        intents.announce(checked(id));
        Intents.remove(files, id);
        intents.strike(id);
    }

    private static String checked(String id) {
        if (!SnapshotId.valid(id)) {
            throw new IllegalArgumentException("'" + id + "' is no snapshot id");
        }
        return id;
    }
}
