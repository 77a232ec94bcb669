package dev.dormouse.sidecar.http;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.dormouse.sidecar.store.CollectOptions;
import dev.dormouse.sidecar.store.CollectReport;
import dev.dormouse.sidecar.store.Listing;
import dev.dormouse.sidecar.store.PruneReport;
import dev.dormouse.sidecar.store.Refusal;
import dev.dormouse.sidecar.store.RetentionPolicy;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.VerifyReport;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What requests ask of the snapshots on the volume, whatever the replica does, and how its faults are answered. */
final class VolumeSnapshots {
    private static final Logger LOG = LoggerFactory.getLogger(VolumeSnapshots.class);
    private static final Duration MAX_PATIENCE = Duration.ofMinutes(10);

    private final @Nullable SnapshotStore store;

    /** @param store absent when snapshots are off */
    VolumeSnapshots(@Nullable SnapshotStore store) {
        this.store = store;
    }

    /** @param createdAt RFC 3339 */
    record SnapshotView(String id, String key, String createdAt, long rawBytes, long storedBytes, String weightsDigest,
            Map<String, String> compatibility, int buffers, int files, int packs, boolean pinned) {
        static SnapshotView of(Snapshot snapshot) {
            return new SnapshotView(snapshot.id(), snapshot.key(), snapshot.createdAt().toString(),
                    snapshot.rawBytes(), snapshot.storedBytes(), snapshot.manifest().weightsDigest(),
                    snapshot.compatibility(), snapshot.buffers().size(), snapshot.files().size(),
                    snapshot.manifest().packs().size(), snapshot.pinned());
        }
    }

    record ListView(List<SnapshotView> snapshots, List<Refusal> refused) {}

    /** @param collect whether to free the bytes too */
    record PruneRequest(@Nullable @JsonProperty("maxAgeSeconds") Long maxAgeSeconds,
            @JsonProperty("maxSnapshots") int maxSnapshots, @JsonProperty("maxBytes") long maxBytes,
            @JsonProperty("collect") boolean collect, @JsonProperty("settleSeconds") long settleSeconds,
            @JsonProperty("patienceSeconds") long patienceSeconds,
            @Nullable @JsonProperty("gonePods") Set<String> gonePods) {}

    record PruneView(PruneReport pruned, @Nullable CollectReport collected) {}

    ListView list() throws ApiException {
        Listing listing = fromVolume(SnapshotStore::list);
        return new ListView(listing.snapshots().reversed().stream().map(SnapshotView::of).toList(),
                listing.refused());
    }

    SnapshotView snapshot(String id) throws ApiException {
        Listing listing = fromVolume(SnapshotStore::list);
        for (Refusal refusal : listing.refused()) {
            if (refusal.id().equals(id)) {
                throw new ApiException(410, refusal.reason(), refusal.message());
            }
        }
        return listing.snapshots()
                .stream()
                .filter(snapshot -> snapshot.id().equals(id))
                .findFirst()
                .map(SnapshotView::of)
                .orElseThrow(() -> new ApiException(404, "SnapshotNotFound", "there is no snapshot " + id));
    }

    SnapshotView pin(String id, boolean pinned) throws ApiException {
        onVolume(volume -> volume.pin(id, pinned));
        return snapshot(id);
    }

    /** Damage that was found keeps the snapshot from being restored. */
    VerifyReport verify(String id) throws ApiException {
        VerifyReport report = fromVolume(volume -> volume.verify(id, Runtime.getRuntime().availableProcessors()));
        Optional<Refusal> damage = report.damage();
        if (damage.isPresent()) {
            onVolume(volume -> volume.quarantine(id, damage.get().reason(), damage.get().message()));
        }
        return report;
    }

    PruneView prune(PruneRequest request) throws ApiException, InterruptedException {
        RetentionPolicy policy;
        try {
            policy = new RetentionPolicy(
                    request.maxAgeSeconds() == null ? null : Duration.ofSeconds(request.maxAgeSeconds()),
                    request.maxSnapshots(), request.maxBytes());
        } catch (IllegalArgumentException e) {
            throw new ApiException(400, "InvalidPolicy", String.valueOf(e.getMessage()));
        }
        if (request.settleSeconds() < 0 || request.patienceSeconds() < 0
                || request.patienceSeconds() > MAX_PATIENCE.toSeconds()
                || request.settleSeconds() > MAX_PATIENCE.toSeconds()) {
            throw new ApiException(400, "InvalidPolicy",
                    "settleSeconds and patienceSeconds are from 0 to " + MAX_PATIENCE.toSeconds());
        }
        PruneReport pruned = fromVolume(volume -> volume.prune(policy));
        if (!request.collect()) {
            return new PruneView(pruned, null);
        }
        Set<String> gonePods = request.gonePods() == null ? Set.of() : request.gonePods();
        var options = new CollectOptions(Duration.ofSeconds(request.settleSeconds()),
                Duration.ofSeconds(request.patienceSeconds()), gonePods);
        try {
            return new PruneView(pruned, volume().collect(options));
        } catch (IOException e) {
            throw volumeError(e);
        }
    }

    private interface VolumeTask<T> {
        T on(SnapshotStore volume) throws IOException;
    }

    private interface VolumeChange {
        void on(SnapshotStore volume) throws IOException;
    }

    private void onVolume(VolumeChange change) throws ApiException {
        fromVolume(volume -> {
            change.on(volume);
            return true;
        });
    }

    private <T> T fromVolume(VolumeTask<T> task) throws ApiException {
        try {
            return task.on(volume());
        } catch (NoSuchFileException e) {
            throw new ApiException(404, "SnapshotNotFound", "there is no snapshot " + e.getFile());
        } catch (IOException e) {
            throw volumeError(e);
        }
    }

    private static ApiException volumeError(IOException e) {
        LOG.warn("The volume failed", e);
        return new ApiException(503, "VolumeError", String.valueOf(e.getMessage()));
    }

    private SnapshotStore volume() throws ApiException {
        if (store == null) {
            throw new ApiException(409, "SnapshotsOff", "this sidecar has no snapshot volume that it can use");
        }
        return store;
    }

    /** Also of one that is not there. */
    void delete(String id) throws ApiException {
        onVolume(volume -> volume.delete(id));
    }
}
