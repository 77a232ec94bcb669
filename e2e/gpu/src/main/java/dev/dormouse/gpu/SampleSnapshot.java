package dev.dormouse.gpu;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaUnavailableException;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.CudaDevice;
import dev.dormouse.sidecar.format.InvalidSnapshotException;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.SaveRequest;
import dev.dormouse.sidecar.store.SaveRequest.SavedBuffer;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A snapshot on a volume, made from device memory.
 *
 * @param crc CRC32C of all its bytes, allocation after allocation
 * @param seconds the save took
 */
record SampleSnapshot(Path volume, long bytes, long crc, double seconds) {
    static final String KEY = "5a".repeat(32);
    static final String ENGINE = "gpu-run";
    static final String VERSION = "1";
    /** Several, as a model has them; each is one block of the driver. */
    static final long ALLOCATION_BYTES = 2L << 30;

    static EngineMessage.Hello hello() {
        return new EngineMessage.Hello(EngineMessage.PROTOCOL, ENGINE, VERSION, Map.of());
    }

    /** @param bytes a multiple of 2 MiB */
    static SampleSnapshot make(Path volume, long bytes, Clock clock) throws IOException, CudaUnavailableException {
        Files.createDirectories(volume);
        try (CudaDevice device = new CudaDevice(CudaContext.open(0))) {
            List<SavedBuffer> buffers = new ArrayList<>();
            long crc = 0;
            for (long at = 0; at < bytes; at += ALLOCATION_BYTES) {
                long length = Math.min(ALLOCATION_BYTES, bytes - at);
                Allocation allocation = device.allocate(length, BufferType.Weights);
                crc = crc * 31 + Weights.fill(device, allocation);
                buffers.add(new SavedBuffer(new BufferMeta("weights." + buffers.size(), allocation.id(), 0, length,
                        BufferType.Weights, "u8", List.of(length), false), allocation));
            }
            SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("gpu-run"), clock);
            long start = System.nanoTime();
            store.save(
                    new SaveRequest(KEY, Map.of("engine", ENGINE, "engine.version", VERSION), clock.instant(), buffers,
                            List.of()),
                    device, SaveOptions.of(Compression.None, 1), (done, total) -> {
                    });
            return new SampleSnapshot(volume, bytes, crc, (System.nanoTime() - start) / 1e9);
        } catch (InvalidSnapshotException e) {
            throw new IOException("the sample cannot be saved: " + e.getMessage(), e);
        }
    }
}
