package dev.dormouse.sidecar.store;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.sidecar.format.ChunkTable;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.format.ManifestCodec;
import dev.dormouse.sidecar.format.SnapshotFormat;
import dev.dormouse.sidecar.format.SnapshotId;
import dev.dormouse.sidecar.trust.Trust;
import dev.dormouse.sidecar.trust.TrustException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads what is published on a volume. Keeps nothing in memory: the volume is the truth, and other pods write to it. */
final class Catalog {
    private static final Logger LOG = LoggerFactory.getLogger(Catalog.class);
    private static final JsonMapper JSON = new JsonMapper();
    private static final int MAX_QUARANTINE_BYTES = 1 << 20;

    private static final Comparator<Snapshot> BY_AGE = Comparator.comparing(Snapshot::createdAt)
            .thenComparing(Snapshot::id);

    private record Quarantine(String reason, String message, String at) {}

    private static final int MAX_SIGNATURE_BYTES = 4096;

    private final SnapshotFiles files;
    private final Trust trust;

    Catalog(SnapshotFiles files, Trust trust) {
        this.files = files;
        this.trust = trust;
    }

    /** Everything with a manifest, quarantined or not, and why the rest cannot be read. */
    Contents contents() throws IOException {
        var manifests = new ArrayList<Manifest>();
        var unreadable = new ArrayList<Refusal>();
        var untrusted = new HashMap<String, Refusal>();
        for (String id : files.list(VolumePaths.SNAPSHOTS)) {
            if (!SnapshotId.valid(id)) {
                LOG.atWarn().addKeyValue("name", id).log("Something in the volume's snapshots folder is no snapshot");
                continue;
            }
            try {
                byte[] bytes = bytes(id);
                Manifest manifest = ManifestCodec.read(VolumePaths.manifest(id), id, bytes);
                manifests.add(manifest);
                distrust(manifest, bytes).ifPresent(
                        e -> untrusted.put(id, new Refusal(id, e.fault().name(), String.valueOf(e.getMessage()))));
            } catch (NoSuchFileException unpublished) {
                // A folder without a manifest is a save that has not ended, or was deleted meanwhile.
                LOG.atDebug().addKeyValue("snapshot", id).log("Not published");
            } catch (InvalidSnapshotException e) {
                unreadable.add(new Refusal(id, e.fault().name(), String.valueOf(e.getMessage())));
            }
        }
        return new Contents(manifests, unreadable, untrusted);
    }

    Listing list() throws IOException {
        Contents contents = contents();
        var snapshots = new ArrayList<Snapshot>();
        var refused = new ArrayList<Refusal>();
        for (Manifest manifest : contents.manifests()) {
            Optional<Refusal> refusal = refusal(contents, manifest.id());
            if (refusal.isPresent()) {
                refused.add(refusal.get());
            } else {
                snapshots.add(new Snapshot(manifest, files.exists(VolumePaths.pin(manifest.id()))));
            }
        }
        for (Refusal unreadable : contents.unreadable()) {
            refused.add(quarantineOf(unreadable.id()).orElse(unreadable));
        }
        snapshots.sort(BY_AGE);
        return new Listing(snapshots, refused);
    }

    private Optional<Refusal> refusal(Contents contents, String id) throws IOException {
        Refusal untrusted = contents.untrusted().get(id);
        return untrusted == null ? quarantineOf(id) : Optional.of(untrusted);
    }

    /** What retention decides about: all that can be read. */
    List<Retention.Candidate> candidates() throws IOException {
        var candidates = new ArrayList<Retention.Candidate>();
        Contents contents = contents();
        for (Manifest manifest : contents.manifests()) {
            candidates.add(new Retention.Candidate(manifest, refusal(contents, manifest.id()).isEmpty(),
                    files.exists(VolumePaths.pin(manifest.id()))));
        }
        return candidates;
    }

    /**
     * Read and, as far as that is required, trusted.
     *
     * @throws NoSuchFileException when it is not published
     */
    Manifest manifest(String id) throws IOException, InvalidSnapshotException {
        byte[] bytes = bytes(id);
        Manifest manifest = ManifestCodec.read(VolumePaths.manifest(id), id, bytes);
        Optional<InvalidSnapshotException> distrust = distrust(manifest, bytes);
        if (distrust.isPresent()) {
            throw distrust.get();
        }
        return manifest;
    }

    /** Why a manifest is not to be used although it is whole. It still counts for what must not be deleted. */
    private Optional<InvalidSnapshotException> distrust(Manifest manifest, byte[] bytes) throws IOException {
        String path = VolumePaths.manifest(manifest.id());
        try {
            if (trust.signaturesRequired()) {
                trust.verify(bytes, signature(manifest.id()));
            }
        } catch (TrustException e) {
            return Optional.of(new InvalidSnapshotException(e.fault(), path + ": " + e.getMessage(), e));
        }
        return trust.encrypts() && !manifest.encrypted()
                ? Optional.of(new InvalidSnapshotException(Fault.NotEncrypted, path
                        + ": encryption is on and the snapshot is not encrypted; delete it and save again"))
                : Optional.empty();
    }

    private @Nullable String signature(String id) throws IOException {
        String path = VolumePaths.signature(id);
        try {
            // A longer one is none, and must not keep the other snapshots from being listed.
            return size(path) > MAX_SIGNATURE_BYTES
                    ? ""
                    : new String(files.read(path, MAX_SIGNATURE_BYTES), StandardCharsets.UTF_8);
        } catch (NoSuchFileException unsigned) {
            return null;
        }
    }

    private byte[] bytes(String id) throws IOException, InvalidSnapshotException {
        String path = VolumePaths.manifest(id);
        long bytes = size(path);
        if (bytes > SnapshotFormat.MAX_MANIFEST_BYTES) {
            throw new InvalidSnapshotException(Fault.InvalidManifest,
                    path + ": has " + bytes + " bytes; at most " + SnapshotFormat.MAX_MANIFEST_BYTES);
        }
        return files.read(path, SnapshotFormat.MAX_MANIFEST_BYTES);
    }

    /** @throws InvalidSnapshotException also when it is missing */
    ChunkTable table(Manifest manifest) throws IOException, InvalidSnapshotException {
        String path = VolumePaths.chunkTable(manifest.id());
        int expected = Math.toIntExact(manifest.chunkTable().bytes());
        try {
            long bytes = size(path);
            if (bytes != expected) {
                throw new InvalidSnapshotException(Fault.InvalidChunkTable,
                        path + ": length: " + bytes + " bytes, the manifest says " + expected);
            }
            return ChunkTable.read(path, files.read(path, expected), manifest, trust.signaturesRequired());
        } catch (NoSuchFileException e) {
            throw new InvalidSnapshotException(Fault.InvalidChunkTable, path + ": is missing", e);
        }
    }

    /** Asked first: a length that is wrong is damage of the snapshot, not a volume that fails to read. */
    private long size(String path) throws IOException {
        try (SnapshotFiles.OpenFile file = files.open(path)) {
            return file.size();
        }
    }

    /** Where the mark is, the snapshot is out, even if nobody can read why. */
    Optional<Refusal> quarantineOf(String id) throws IOException {
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

    /** Does nothing when it is in quarantine: the first reason stands. */
    void quarantine(String id, String reason, String message, Instant at) throws IOException {
        String path = VolumePaths.quarantine(id);
        if (files.exists(path)) {
            return;
        }
        byte[] json = JSON.writerWithDefaultPrettyPrinter()
                .writeValueAsBytes(new Quarantine(reason, message, at.toString()));
        files.delete(VolumePaths.unfinished(path));
        try (SnapshotFiles.NewFile file = files.create(VolumePaths.unfinished(path))) {
            file.write(ByteBuffer.wrap(json), 0);
            file.force();
        }
        files.rename(VolumePaths.unfinished(path), path);
        files.sync(VolumePaths.snapshot(id));
    }

    /**
     * What keeps packs alive.
     *
     * @param manifests all that are whole
     * @param unreadable those that are not
     * @param untrusted why some that are whole must not be used, by id
     */
    record Contents(List<Manifest> manifests, List<Refusal> unreadable, Map<String, Refusal> untrusted) {
        /** Those of the given packs that nobody needs, nor may need as far as we can read. */
        List<String> dead(List<String> packIds) {
            var held = new HashSet<String>();
            manifests.forEach(manifest -> manifest.packs().forEach(pack -> held.add(pack.id())));
            Set<String> unknown = unreadable.stream().map(Refusal::id).collect(Collectors.toSet());
            return packIds.stream()
                    .filter(id -> !held.contains(id) && !unknown.contains(SnapshotId.ofPack(id)))
                    .toList();
        }

        /** Snapshots of a newer version: what they refer to is not for us to know. */
        List<String> newer() {
            return unreadable.stream()
                    .filter(refusal -> refusal.reason().equals(Fault.UnknownVersion.name()))
                    .map(Refusal::id)
                    .toList();
        }
    }
}
