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
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.NoSuchFileException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
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

    private final SnapshotFiles files;

    Catalog(SnapshotFiles files) {
        this.files = files;
    }

    /** Everything with a manifest, quarantined or not, and why the rest cannot be read. */
    Contents contents() throws IOException {
        var manifests = new ArrayList<Manifest>();
        var unreadable = new ArrayList<Refusal>();
        for (String id : files.list(VolumePaths.SNAPSHOTS)) {
            if (!SnapshotId.valid(id)) {
                LOG.atWarn().addKeyValue("name", id).log("Something in the volume's snapshots folder is no snapshot");
                continue;
            }
            try {
                manifests.add(manifest(id));
            } catch (NoSuchFileException unpublished) {
                // A folder without a manifest is a save that has not ended, or was deleted meanwhile.
                LOG.atDebug().addKeyValue("snapshot", id).log("Not published");
            } catch (InvalidSnapshotException e) {
                unreadable.add(new Refusal(id, e.fault().name(), String.valueOf(e.getMessage())));
            }
        }
        return new Contents(manifests, unreadable);
    }

    Listing list() throws IOException {
        Contents contents = contents();
        var snapshots = new ArrayList<Snapshot>();
        var refused = new ArrayList<Refusal>();
        for (Manifest manifest : contents.manifests()) {
            Optional<Refusal> quarantine = quarantineOf(manifest.id());
            if (quarantine.isPresent()) {
                refused.add(quarantine.get());
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

    /** What retention decides about: all that can be read. */
    List<Retention.Candidate> candidates() throws IOException {
        var candidates = new ArrayList<Retention.Candidate>();
        for (Manifest manifest : contents().manifests()) {
            candidates.add(new Retention.Candidate(manifest, quarantineOf(manifest.id()).isEmpty(),
                    files.exists(VolumePaths.pin(manifest.id()))));
        }
        return candidates;
    }

    /** @throws NoSuchFileException when it is not published */
    Manifest manifest(String id) throws IOException, InvalidSnapshotException {
        String path = VolumePaths.manifest(id);
        return ManifestCodec.read(path, id, files.read(path, SnapshotFormat.MAX_MANIFEST_BYTES));
    }

    /** @throws InvalidSnapshotException also when it is missing */
    ChunkTable table(Manifest manifest) throws IOException, InvalidSnapshotException {
        String path = VolumePaths.chunkTable(manifest.id());
        try {
            return ChunkTable.read(path, files.read(path, Math.toIntExact(manifest.chunkTable().bytes())), manifest);
        } catch (NoSuchFileException e) {
            throw new InvalidSnapshotException(Fault.InvalidChunkTable, path + ": is missing", e);
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

    /** What keeps packs alive. */
    record Contents(List<Manifest> manifests, List<Refusal> unreadable) {
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
