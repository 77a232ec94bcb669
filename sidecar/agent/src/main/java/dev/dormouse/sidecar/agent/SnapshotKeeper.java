package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.agent.AgentConfig.SnapshotSettings;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.device.AllocationLostException;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.http.ApiException;
import dev.dormouse.sidecar.http.SnapshotStats;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreException;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.store.Listing;
import dev.dormouse.sidecar.store.Refusal;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.SaveRequest;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.TrustFailedException;
import dev.dormouse.sidecar.store.VolumeFullException;
import dev.dormouse.sidecar.transport.MemoryFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * This model's snapshots on the volume: the newest one to start from, the one to leave behind. A volume that fails
 * costs speed and never the replica, so nothing here throws for it: outcomes are reports.
 */
final class SnapshotKeeper {
    private static final Logger LOG = LoggerFactory.getLogger(SnapshotKeeper.class);

    private static final Set<String> DISTRUST = Set.of(Fault.SignatureMissing.name(), Fault.SignatureInvalid.name(),
            Fault.UntrustedKey.name(), Fault.NotEncrypted.name());

    private final SnapshotStore store;
    private final SnapshotSettings settings;
    private final DeviceMemory device;
    private final Clock clock;
    private final SnapshotStats.Counter stats;

    SnapshotKeeper(SnapshotStore store, SnapshotSettings settings, DeviceMemory device, Clock clock,
            SnapshotStats.Counter stats) {
        this.store = store;
        this.settings = settings;
        this.device = device;
        this.clock = clock;
        this.stats = stats;
    }

    /**
     * The newest usable snapshot with the operator's key.
     *
     * @param distrusted gets those that are whole as far as anybody can tell, and not to be trusted
     */
    Optional<Snapshot> newest(Consumer<Refusal> distrusted) throws IOException {
        Listing listing = store.list();
        for (Refusal refusal : listing.refused()) {
            LOG.warn("snapshot {} is not used: {}: {}", refusal.id(), refusal.reason(), refusal.message());
            if (DISTRUST.contains(refusal.reason())) {
                distrusted.accept(refusal);
            }
        }
        return listing.newest(settings.key());
    }

    /**
     * A usable snapshot by its id.
     *
     * @throws ApiException with the reason when it is there and must not be used
     */
    Optional<Snapshot> byId(String id) throws IOException, ApiException {
        Listing listing = store.list();
        for (Refusal refusal : listing.refused()) {
            if (refusal.id().equals(id)) {
                throw new ApiException(410, refusal.reason(), refusal.message());
            }
        }
        return listing.snapshots().stream().filter(snapshot -> snapshot.id().equals(id)).findFirst();
    }

    /** Begins to restore; contents arrive in the background. */
    RestoredGeneration restore(Snapshot snapshot, Set<BufferType> types) throws RestoreException {
        return new RestoredGeneration(snapshot, types,
                store.restore(snapshot, device, RestoreOptions.of(settings.verification()).with(types)));
    }

    /**
     * Writes the weights and the file set of a generation; everything else an engine makes again (S17). An older
     * snapshot is left alone whatever happens.
     */
    SnapshotReport save(CommittedGeneration generation, byte @Nullable [] canary, ProgressListener progress) {
        long start = System.nanoTime();
        try (MemoryFile recorded = MemoryFile.create("canary", canary == null ? 0 : canary.length)) {
            if (canary != null) {
                Files.write(recorded.path(), canary);
            }
            Snapshot saved = store.save(request(generation, canary == null ? null : recorded.path()), device,
                    SaveOptions.of(settings.compression(), settings.level()), progress);
            long micros = micros(start);
            stats.saved(saved.rawBytes(), saved.storedBytes(), micros);
            return report(saved, SnapshotReport.State.Saved, micros, null, null);
        } catch (VolumeFullException e) {
            return failed("VolumeFull", e, start);
        } catch (TrustFailedException e) {
            return failed(e.fault().name(), e, start);
        } catch (IOException e) {
            return failed("VolumeError", e, start);
        } catch (InvalidSnapshotException e) {
            return failed(e.fault().name(), e, start);
        } catch (AllocationLostException e) {
            return failed("EngineGone", e, start);
        } catch (RuntimeException e) {
            LOG.error("saving the snapshot failed for a reason of our own", e);
            return failed("InternalError", e, start);
        } finally {
            device.saved();
        }
    }

    /** Nothing was written, for a reason that is not the volume's. */
    SnapshotReport notSaved(String reason, Exception cause) {
        return failed(reason, cause, System.nanoTime());
    }

    private SaveRequest request(CommittedGeneration generation, @Nullable Path canary) {
        List<SaveRequest.SavedBuffer> buffers = new ArrayList<>();
        for (BufferMeta buffer : generation.buffers()) {
            var allocation = generation.memory().get(buffer.allocation());
            if (allocation != null) {
                buffers.add(new SaveRequest.SavedBuffer(buffer, allocation));
            }
        }
        List<SaveRequest.SavedFile> files = new ArrayList<>();
        generation.fileSet()
                .forEach((name, file) -> files.add(new SaveRequest.SavedFile(name, file.path())));
        if (canary != null) {
            files.add(new SaveRequest.SavedFile(Canary.FILE, canary));
        }
        return new SaveRequest(settings.key(), generation.compatibility(), clock.instant(), buffers, files);
    }

    /** Makes sure that a snapshot is never restored again. */
    void quarantine(Snapshot snapshot, String reason, String message) {
        try {
            store.quarantine(snapshot.id(), reason, message);
        } catch (IOException e) {
            // It will be found damaged again next time, which is slow but safe.
            LOG.error("snapshot {} cannot be quarantined", snapshot.id(), e);
        }
    }

    static SnapshotReport report(Snapshot snapshot, SnapshotReport.State state, long micros, @Nullable String reason,
            @Nullable String message) {
        return new SnapshotReport(snapshot.id(), state, snapshot.rawBytes(), snapshot.storedBytes(), micros, reason,
                message);
    }

    private SnapshotReport failed(String reason, Exception cause, long start) {
        stats.failed(reason);
        return new SnapshotReport(null, SnapshotReport.State.Failed, 0, 0, micros(start), reason, cause.getMessage());
    }

    private static long micros(long start) {
        return (System.nanoTime() - start) / 1_000;
    }
}
