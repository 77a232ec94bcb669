package dev.dormouse.sidecar.store;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.dormouse.sidecar.format.Checksums;
import dev.dormouse.sidecar.format.Chunk;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.InvalidSnapshotException.Code;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.Manifest.Table;
import dev.dormouse.sidecar.format.Pack;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The snapshots on one volume. A snapshot exists once its manifest has its final name; a folder without one does not
 * exist. Ids are immutable and unique, so a reader never sees half of one and half of another.
 *
 * <p>A save orders its writes so that a crash at any point leaves the old snapshot or the new one: packs and table are
 * written and synced, then their folders, then the manifest under a temporary name is synced, renamed, and its folder
 * synced. After a failed sync nothing is tried again: the files are abandoned.
 */
public final class SnapshotStore {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotStore.class);
    private static final DateTimeFormatter ID_TIME = DateTimeFormatter.ofPattern("uuuuMMdd'T'HHmmssSSS'Z'", Locale.ROOT)
            .withZone(ZoneOffset.UTC);
    private static final String MANIFEST = "manifest.json";
    private static final String TABLE = "chunks.tbl";
    private static final String QUARANTINED = "quarantined.json";
    /** Manifest, table, alignment: what a save needs beside its bytes. */
    private static final long OVERHEAD = 1 << 20;

    private static final ObjectMapper JSON = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);

    private final Path root;
    private final Path snapshots;
    private final Path packs;
    private final SnapshotFiles files;
    private final Clock clock;
    private final RandomGenerator random;

    public SnapshotStore(Path root, SnapshotFiles files, Clock clock, RandomGenerator random) {
        this.root = root;
        this.snapshots = root.resolve("snapshots");
        this.packs = root.resolve("packs");
        this.files = files;
        this.clock = clock;
        this.random = random;
    }

    /** The newest usable snapshot with this key. What cannot be read is passed over, with a line in the log. */
    public Optional<Snapshot> newest(String key) throws IOException {
        List<Path> folders = new ArrayList<>(files.list(snapshots));
        folders.sort(Comparator.comparing(Path::getFileName).reversed());
        for (Path folder : folders) {
            if (!files.exists(folder.resolve(MANIFEST)) || files.exists(folder.resolve(QUARANTINED))) {
                continue;
            }
            try {
                Manifest manifest = manifest(folder);
                if (manifest.key().equals(key)) {
                    return Optional.of(load(folder, manifest));
                }
            } catch (InvalidSnapshotException e) {
                LOG.atWarn()
                        .setMessage("snapshot is not usable")
                        .addKeyValue("snapshot", folder.getFileName())
                        .addKeyValue("reason", e.code())
                        .addKeyValue("cause", e.getMessage())
                        .log();
                if (e.code() != Code.UnknownVersion) { // another release may well read that one
                    quarantine(folder.getFileName().toString(), e.code().name(), String.valueOf(e.getMessage()));
                }
            }
        }
        return Optional.empty();
    }

    /** Every published snapshot's manifest, oldest first; unreadable ones are left out. */
    public List<Manifest> list() throws IOException {
        List<Manifest> manifests = new ArrayList<>();
        for (Path folder : files.list(snapshots)) {
            if (files.exists(folder.resolve(MANIFEST))) {
                try {
                    manifests.add(manifest(folder));
                } catch (InvalidSnapshotException e) {
                    LOG.atWarn()
                            .setMessage("manifest is not readable")
                            .addKeyValue("snapshot", folder.getFileName())
                            .addKeyValue("cause", e.getMessage())
                            .log();
                }
            }
        }
        return manifests;
    }

    private Manifest manifest(Path folder) throws IOException {
        Path file = folder.resolve(MANIFEST);
        Manifest manifest = Manifest.decode(file.toString(), files.read(file));
        if (!manifest.id().equals(folder.getFileName().toString())) {
            throw new InvalidSnapshotException(Code.Malformed, file + ": its id is " + manifest.id());
        }
        return manifest;
    }

    private Snapshot load(Path folder, Manifest manifest) throws IOException {
        Path file = folder.resolve(TABLE);
        if (!files.exists(file)) {
            throw new InvalidSnapshotException(Code.Truncated, file + " is missing");
        }
        ByteBuffer bytes = ByteBuffer.wrap(files.read(file));
        Table expected = manifest.table();
        if (bytes.remaining() != expected.length() || !Checksums.sha256(bytes).equals(expected.sha256())) {
            throw new InvalidSnapshotException(Code.ChecksumMismatch, file + " is not the table of its manifest");
        }
        List<Chunk> chunks = ChunkTable.decode(file.toString(), bytes);
        checkPlacement(file, manifest, chunks);
        List<Path> packFiles = IntStream.range(0, manifest.packs().size())
                .mapToObj(n -> packPath(manifest.id(), n))
                .toList();
        for (Path pack : packFiles) {
            if (!files.exists(pack)) {
                throw new InvalidSnapshotException(Code.Truncated, pack + " is missing");
            }
        }
        return new Snapshot(manifest, chunks, packFiles);
    }

    /** Chunks lie inside their packs, do not overlap, and have the sizes that their allocations are cut into. */
    private static void checkPlacement(Path file, Manifest manifest, List<Chunk> chunks)
            throws InvalidSnapshotException {
        long[] end = new long[manifest.packs().size()];
        java.util.Arrays.fill(end, Pack.BLOCK);
        for (int i = 0; i < chunks.size(); i++) {
            Chunk chunk = chunks.get(i);
            if (chunk.storedLength() == 0) {
                continue;
            }
            if (chunk.pack() >= end.length || chunk.offset() < end[chunk.pack()]
                    || chunk.offset() + chunk.storedLength() > manifest.packs().get(chunk.pack()) - Pack.BLOCK) {
                throw new InvalidSnapshotException(Code.Malformed,
                        file + ": chunk " + i + " lies outside its pack or over "
                                + "another chunk: " + chunk);
            }
            end[chunk.pack()] = chunk.offset() + chunk.storedLength();
        }
        int next = 0;
        for (long bytes : (Iterable<Long>) sizes(manifest)::iterator) {
            for (long at = 0; at < bytes; at += Pack.CHUNK) {
                Chunk chunk = chunks.get(next++);
                if (chunk.rawLength() != Math.min(Pack.CHUNK, bytes - at)) {
                    throw new InvalidSnapshotException(Code.Malformed, file + ": chunk " + (next - 1) + " has "
                            + chunk.rawLength() + " bytes where " + Math.min(Pack.CHUNK, bytes - at) + " belong");
                }
            }
        }
    }

    private static java.util.stream.Stream<Long> sizes(Manifest manifest) {
        return java.util.stream.Stream.concat(manifest.files().stream().map(Manifest.File::length),
                manifest.allocations().stream().map(Manifest.SavedAllocation::bytes));
    }

    /**
     * Writes and publishes a snapshot.
     *
     * @throws VolumeFullException when there is no room; nothing of the new snapshot remains
     * @throws IOException when writing failed; older snapshots are intact
     */
    public Snapshot save(SaveRequest request, SaveOptions options) throws IOException {
        Instant now = clock.instant();
        String id = ID_TIME.format(now) + "-" + HexFormat.of().toHexDigits(random.nextLong());
        Path folder = snapshots.resolve(id);
        files.createFolders(packs);
        checkRoom(request);
        files.createFolders(folder);
        try {
            return write(request, options, id, now, folder);
        } catch (IOException e) {
            abandon(id, folder, e);
            throw isFull(e) ? new VolumeFullException(e) : e;
        }
    }

    private Snapshot write(SaveRequest request, SaveOptions options, String id, Instant now, Path folder)
            throws IOException {
        try (SnapshotWriter writer = new SnapshotWriter(files, n -> packPath(id, n), options)) {
            for (SaveRequest.SourceFile file : request.files()) {
                writer.write(file.bytes());
            }
            for (SaveRequest.SourceAllocation allocation : request.allocations()) {
                writer.write(allocation.bytes());
            }
            writer.finish();
            files.syncFolder(packs);
            ByteBuffer table = ChunkTable.encode(writer.chunks());
            Table reference = new Table(table.remaining(), Checksums.sha256(table));
            writeSynced(folder.resolve(TABLE), table);
            files.syncFolder(snapshots);
            files.syncFolder(root);
            Manifest manifest = new Manifest(Manifest.VERSION, id, request.key(), request.compatibility(),
                    now.toString(),
                    request.rawBytes(), writer.storedBytes(), writer.lengths(), reference,
                    request.files()
                            .stream()
                            .map(file -> new Manifest.File(file.name(), file.bytes().byteSize()))
                            .toList(),
                    request.allocations()
                            .stream()
                            .map(allocation -> new Manifest.SavedAllocation(allocation.bytes().byteSize(),
                                    allocation.type()))
                            .toList(),
                    request.buffers());
            publish(folder, MANIFEST, manifest.encode());
            return new Snapshot(manifest, writer.chunks(), writer.packs());
        }
    }

    /** Never used again, and kept for whoever wants to know why. Idempotent. */
    public void quarantine(String id, String reason, String message) throws IOException {
        if (!Manifest.ID.matcher(id).matches()) {
            throw new IllegalArgumentException("not a snapshot's id: " + id);
        }
        Path folder = snapshots.resolve(id);
        if (!files.exists(folder.resolve(QUARANTINED))) {
            publish(folder, QUARANTINED, ByteBuffer.wrap(JSON.writeValueAsBytes(
                    Map.of("reason", reason, "message", message, "at", clock.instant().toString()))));
        }
    }

    private void publish(Path folder, String name, ByteBuffer bytes) throws IOException {
        Path next = folder.resolve(name + "." + HexFormat.of().toHexDigits(random.nextInt()) + ".tmp");
        writeSynced(next, bytes);
        files.rename(next, folder.resolve(name));
        files.syncFolder(folder);
    }

    private void writeSynced(Path file, ByteBuffer bytes) throws IOException {
        try (SnapshotFiles.Output output = files.create(file)) {
            output.write(bytes.duplicate(), 0);
            output.sync();
        }
    }

    private void checkRoom(SaveRequest request) throws IOException {
        long needed = request.rawBytes() + OVERHEAD + request.rawBytes() / 64;
        long usable = files.usableBytes(packs);
        if (usable < needed) {
            throw new VolumeFullException(needed, usable);
        }
    }

    /** Best effort: what cannot be deleted has no manifest and therefore does not exist. */
    private void abandon(String id, Path folder, IOException cause) {
        try {
            if (files.exists(folder.resolve(MANIFEST))) {
                return; // Published: only the last sync failed. It may or may not survive; it is whole either way.
            }
            for (Path file : files.list(folder)) {
                files.delete(file);
            }
            files.delete(folder);
            for (Path pack : files.list(packs)) {
                if (pack.getFileName().toString().startsWith(id)) {
                    files.delete(pack);
                }
            }
        } catch (IOException e) {
            cause.addSuppressed(e);
        }
    }

    private static boolean isFull(IOException e) {
        String message = String.valueOf(e.getMessage()).toLowerCase(Locale.ROOT);
        return message.contains("no space left") || message.contains("quota exceeded");
    }

    private Path packPath(String id, int number) {
        return packs.resolve(id + "-" + number + ".pack");
    }
}
