package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.device.Lane;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.store.SaveRequest.SavedBuffer;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

class LargeTest {
    private static final int CHUNK = 4 << 20;

    @TempDir
    Path volume;

    @Test
    @DisplayName("S66: ten thousand small buffers in one allocation, zero-size ones among them")
    void manySmallBuffers() throws Exception {
        SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("pod"), Clock.systemUTC());
        try (var device = new HostDevice(1 << 30)) {
            Allocation allocation = device.allocate(10_000 * 64L, BufferType.Weights);
            fill(device, allocation, 64);
            var buffers = new ArrayList<SavedBuffer>();
            for (int i = 0; i < 10_000; i++) {
                buffers.add(buffer("блок-" + i, allocation, i * 64L, i % 100 == 0 ? 0 : 64));
            }
            Snapshot saved = save(store, device, buffers);

            try (var target = new HostDevice(1 << 30);
                    var task = store.restore(saved, target, RestoreOptions.verified())) {
                task.await("блок-100");
                task.await("блок-9999");
                assertThat(task.buffers()).hasSize(10_000);
                assertThat(first(target, task.allocations().getFirst(), 9_999 * 64L)).isEqualTo(9_999 * 64L);
            }
        }
    }

    @Test
    @EnabledIfSystemProperty(named = "dormouse.large", matches = "true", disabledReason = "takes 10 GiB of disk and memory")
    @DisplayName("S66: a buffer of more than 4 GiB, over more than one pack")
    void aBufferBeyondFourGigabytes() throws Exception {
        SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("pod"), Clock.systemUTC());
        long bytes = (4L << 30) + 3 * CHUNK + 100;
        try (var device = new HostDevice(8L << 30)) {
            Allocation allocation = device.allocate(bytes, BufferType.Weights);
            fill(device, allocation, CHUNK);
            Snapshot saved = save(store, device, List.of(buffer("huge", allocation, 0, bytes)));
            assertThat(saved.manifest().packs()).hasSize(2);
            allocation.close();

            try (var target = new HostDevice(8L << 30);
                    var task = store.restore(saved, target, RestoreOptions.verified())) {
                task.await(null);
                for (long at = 0; at < bytes; at += 512L * CHUNK) {
                    assertThat(first(target, task.allocations().getFirst(), at)).isEqualTo(at);
                }
                assertThat(first(target, task.allocations().getFirst(), 1027L * CHUNK)).isEqualTo(1027L * CHUNK);
            }
        }
    }

    /** Writes its own offset at the beginning of each block. */
    private static void fill(HostDevice device, Allocation allocation, int block) {
        try (Lane lane = device.openLane(CHUNK)) {
            for (long at = 0; at < allocation.bytes(); at += block) {
                lane.slot(allocation, at, (int) Math.min(Long.BYTES, allocation.bytes() - at))
                        .set(ValueLayout.JAVA_LONG_UNALIGNED, 0, at);
                lane.submit(() -> {
                });
            }
        }
    }

    private static long first(HostDevice device, Allocation allocation, long offset) {
        try (Lane lane = device.openLane(Long.BYTES)) {
            return lane.read(allocation, offset, Long.BYTES).get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
        }
    }

    private static SavedBuffer buffer(String name, Allocation allocation, long offset, long length) {
        return new SavedBuffer(new BufferMeta(name, allocation.id(), offset, length, BufferType.Weights, "u8",
                List.of(length), false), allocation);
    }

    private static Snapshot save(SnapshotStore store, HostDevice device, List<SavedBuffer> buffers) throws Exception {
        return store.save(
                new SaveRequest(SampleModel.KEY, Map.of(), Clock.systemUTC().instant(), buffers, List.of()), device,
                SaveOptions.of(Compression.None, 3), ProgressListener.NONE);
    }
}
