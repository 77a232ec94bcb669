package dev.dormouse.gpu;

import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.CudaDevice;
import dev.dormouse.sidecar.device.Lane;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.pipeline.RestoreTask;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import java.nio.file.Path;
import java.time.Clock;
import java.util.zip.CRC32C;

/**
 * A fresh JVM that restores a snapshot into memory it owns, three times: {@code volume}. Says {@code cuInit ms},
 * {@code context ms}, and per run {@code restored n nanos crc}.
 */
final class RestoreChild {
    private static final int RUNS = 3;
    private static final int BLOCK = 16 << 20;

    private RestoreChild() {}

    public static void main(String[] arguments) throws Exception {
        long start = System.nanoTime();
        CudaContext.devices();
        long initialized = System.nanoTime();
        System.out.println("cuInit " + (initialized - start) / 1e6);
        try (CudaDevice device = new CudaDevice(CudaContext.open(0))) {
            System.out.println("context " + (System.nanoTime() - initialized) / 1e6);
            SnapshotStore store = SnapshotStore.open(Path.of(arguments[0]), Writer.inPod("gpu-run"), Clock.systemUTC());
            Snapshot snapshot = store.list().newest(SampleSnapshot.KEY).orElseThrow();
            for (int run = 1; run <= RUNS; run++) {
                start = System.nanoTime();
                try (RestoreTask task = store.restore(snapshot, device, RestoreOptions.verified())) {
                    task.done().join();
                    long nanos = System.nanoTime() - start;
                    System.out.println("restored " + run + " " + nanos + " " + crc(device, task));
                }
            }
        }
    }

    private static long crc(CudaDevice device, RestoreTask task) {
        long all = 0;
        try (Lane lane = device.openLane(BLOCK)) {
            for (Allocation allocation : task.allocations()) {
                CRC32C crc = new CRC32C();
                for (long at = 0; at < allocation.bytes(); at += BLOCK) {
                    crc.update(
                            lane.read(allocation, at, (int) Math.min(BLOCK, allocation.bytes() - at)).asByteBuffer());
                }
                all = all * 31 + crc.getValue();
            }
        }
        return all;
    }
}
