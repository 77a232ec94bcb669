package dev.dormouse.sidecar.store;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.pipeline.Restore;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Small snapshots whose every byte is known. */
public final class Samples {
    public static final String KEY = "0123456789abcdef".repeat(4);
    public static final Clock CLOCK = Clock.fixed(Instant.parse("2026-11-21T04:00:00.123Z"), ZoneOffset.UTC);

    private Samples() {}

    public static SnapshotStore store(Path root, SnapshotFiles files, long seed) {
        return new SnapshotStore(root, files, Clock.fixed(CLOCK.instant().plusMillis(seed), ZoneOffset.UTC),
                new Random(seed));
    }

    public static byte[] bytes(long seed, int length) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    /** A file, an allocation of two buffers, an all-zero one and an empty one. */
    public static SaveRequest request(long seed, int length) {
        return new SaveRequest(KEY, Map.of("engine", "test", "engine.version", "1"),
                List.of(new SaveRequest.SourceFile("graph.onnx", MemorySegment.ofArray(bytes(seed + 1, 300)))),
                List.of(new SaveRequest.SourceAllocation(BufferType.Weights, direct(bytes(seed, length))),
                        new SaveRequest.SourceAllocation(BufferType.Weights, direct(new byte[5000])),
                        new SaveRequest.SourceAllocation(BufferType.Weights, direct(new byte[0]))),
                List.of(new BufferMeta("a", 0, 0, length / 2, BufferType.Weights, "f32", List.of(length / 8L), false),
                        new BufferMeta("β-ünïcode", 0, length / 2, length - length / 2, BufferType.Weights, "u8",
                                List.of(), false),
                        new BufferMeta("zero", 1, 0, 5000, BufferType.Weights, "i64", List.of(625L), false),
                        new BufferMeta("nothing", 2, 0, 0, BufferType.Weights, "f32", List.of(0L), true)));
    }

    private static MemorySegment direct(byte[] bytes) {
        return MemorySegment.ofBuffer(java.nio.ByteBuffer.allocateDirect(bytes.length).put(bytes).flip());
    }

    /** Restores everything and compares it with what {@link #request} made. */
    public static void assertRestores(Snapshot snapshot, long seed, int length, boolean verify)
            throws IOException, InterruptedException {
        HostDevice device = new HostDevice(1 << 30);
        try (Restore restore = Restore.start(snapshot, device, new DiskFiles(), new Restore.Options(2, verify))) {
            restore.await(null);
            assertThat(contents(restore.allocations().getFirst())).isEqualTo(bytes(seed, length));
            assertThat(contents(restore.allocations().get(1))).isEqualTo(new byte[5000]);
            assertThat(contents(java.util.Objects.requireNonNull(restore.files().get("graph.onnx"))))
                    .isEqualTo(bytes(seed + 1, 300));
            assertThat(restore.restoredBytes()).isEqualTo(snapshot.manifest().rawBytes());
        }
        assertThat(device.usedBytes()).isZero();
    }

    private static byte[] contents(Allocation allocation) {
        return allocation.segment().toArray(ValueLayout.JAVA_BYTE);
    }
}
