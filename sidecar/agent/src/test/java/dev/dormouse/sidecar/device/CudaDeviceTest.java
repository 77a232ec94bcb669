package dev.dormouse.sidecar.device;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.cuda.AddressRange;
import dev.dormouse.sidecar.cuda.CudaBlock;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaStream;
import dev.dormouse.sidecar.cuda.CudaUnavailableException;
import dev.dormouse.sidecar.cuda.PinnedMemory;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.RestoreOptions;
import dev.dormouse.sidecar.pipeline.RestoreTask;
import dev.dormouse.sidecar.pipeline.Verification;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.SaveRequest;
import dev.dormouse.sidecar.store.SaveRequest.SavedBuffer;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** A GPU behind the port, on the stand-in where there is none. */
@ResourceLock("the GPU of this process")
class CudaDeviceTest {
    private static final int CHUNK = 1 << 20;

    @TempDir
    Path folder;

    @SuppressWarnings("NullAway.Init")
    private CudaContext context;
    @SuppressWarnings("NullAway.Init")
    private CudaDevice device;
    private long freeAtStart;

    @BeforeEach
    void open() {
        try {
            context = CudaContext.open(0);
            freeAtStart = context.freeBytes();
            device = new CudaDevice(CudaContext.open(0));
        } catch (CudaUnavailableException e) {
            assumeTrue(false, "neither a CUDA driver nor its stand-in (gcc): " + e.getMessage());
        }
    }

    @AfterEach
    void everythingIsGivenBack() {
        if (device != null) {
            device.close();
            assertThat(device.usedBytes()).isZero();
            context.close();
        }
    }

    @Test
    void memoryIsRoundedUpAndReadsAsZerosWhateverItHeldBefore() {
        Allocation allocation = device.allocate(3_000_000, BufferType.Weights);

        assertThat(allocation.bytes()).isEqualTo(4 << 20).isEqualTo(device.usedBytes());
        assertThat(read(allocation, 0, 4 << 20)).containsOnly(0);
    }

    @Test
    @DisplayName("S64: what a lane writes is seen by whoever has the descriptor, and outlives the allocation there")
    void sharedByDescriptor() {
        Allocation allocation = device.allocate(CHUNK, BufferType.Weights);
        byte[] content = random(CHUNK, 3);
        write(allocation, 0, content);
        long bytes = allocation.bytes();
        AddressRange range = AddressRange.reserve(context, bytes);
        try (CudaBlock block = CudaBlock.imported(context, allocation.fd(), bytes)) {
            range.map(0, block);
        }
        range.access(0, bytes, false);

        allocation.close();

        assertThat(device.usedBytes()).isZero();
        try (CudaStream stream = new CudaStream(context); PinnedMemory host = context.pinned(CHUNK)) {
            stream.toHost(host.segment(), range.address());
            stream.synchronize();
            assertThat(host.segment().toArray(JAVA_BYTE)).isEqualTo(content);
            assertThatExceptionOfType(RuntimeException.class)
                    .isThrownBy(() -> stream.toDevice(range.address(), host.segment()));
        }
        range.unmap(0, bytes);
        range.close();
    }

    @Test
    void aSlotIsNotReusedBeforeItHasArrived() {
        int pieces = 64;
        Allocation allocation = device.allocate((long) pieces * 65_536, BufferType.Weights);
        List<Integer> landed = new ArrayList<>();
        byte[] content = random(pieces * 65_536, 4);
        try (Lane lane = device.openLane(65_536)) {
            for (int i = 0; i < pieces; i++) {
                int piece = i;
                lane.slot(allocation, i * 65_536L, 65_536)
                        .copyFrom(MemorySegment.ofArray(content).asSlice(i * 65_536L, 65_536));
                lane.submit(() -> landed.add(piece));
            }
            lane.drain();
        }
        assertThat(landed).hasSize(pieces).isSorted();
        assertThat(read(allocation, 0, pieces * 65_536)).isEqualTo(content);
    }

    @Test
    void whatDoesNotFitIsRefusedWithHowMuchThereIs() {
        assertThatExceptionOfType(OutOfDeviceMemoryException.class)
                .isThrownBy(() -> device.allocate(device.capacityBytes() + 1, BufferType.Weights))
                .withMessageMatching(
                        "an allocation of \\d+ bytes does not fit on .* GPU-[0-9a-f-]{36}: \\d+ of \\d+ bytes"
                                + " are free, 0 are this sidecar's");
    }

    @Test
    @DisplayName("S64: allocations that come and go in any order leave nothing behind")
    void comingAndGoing() {
        Random random = new Random(5);
        List<Allocation> open = new ArrayList<>();
        for (int i = 0; i < 120; i++) {
            if (open.size() > 6 || (!open.isEmpty() && random.nextBoolean())) {
                open.remove(random.nextInt(open.size())).close();
            } else {
                open.add(device.allocate(1 + random.nextInt(9 << 20), BufferType.Weights));
            }
        }
        open.forEach(Allocation::close);

        assertThat(device.usedBytes()).isZero();
        assertThat(context.freeBytes()).isGreaterThanOrEqualTo(freeAtStart - CHUNK);
        assertThat(device.allocate(CHUNK, BufferType.Weights).bytes()).isPositive();
    }

    @Test
    void aLaneServesItsOwnDeviceWithinItsBoundsUntilItIsSealed() {
        Allocation allocation = device.allocate(CHUNK, BufferType.Weights);
        long end = allocation.bytes();
        try (HostDevice other = new HostDevice(CHUNK); Lane lane = device.openLane(CHUNK)) {
            Allocation foreign = other.allocate(10, BufferType.Weights);
            assertThatIllegalArgumentException().isThrownBy(() -> lane.slot(foreign, 0, 10))
                    .withMessageContaining("another device");
            assertThatExceptionOfType(IndexOutOfBoundsException.class)
                    .isThrownBy(() -> lane.slot(allocation, end - 5, 6));
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> lane.read(allocation, -1, 1));
            allocation.seal();
            assertThatIllegalStateException().isThrownBy(() -> lane.slot(allocation, 0, 1))
                    .withMessageEndingWith("sealed");
            assertThat(lane.read(allocation, 0, 1).isReadOnly()).isTrue();
        }
    }

    @ParameterizedTest
    @EnumSource(Compression.class)
    @DisplayName("H37, S64: a snapshot of device memory comes back to device memory, byte for byte")
    void savedAndRestored(Compression compression) throws Exception {
        byte[] weights = random(7_000_001, 6);
        Allocation allocation = device.allocate(weights.length, BufferType.Weights);
        write(allocation, 0, weights);
        SnapshotStore store = SnapshotStore.open(folder, Writer.inPod("uid"), Clock.systemUTC());
        Snapshot saved = store.save(new SaveRequest("ab".repeat(32), Map.of("engine", "test"), Instant.EPOCH,
                List.of(new SavedBuffer(new BufferMeta("w", allocation.id(), 0, weights.length, BufferType.Weights,
                        "u8", List.of((long) weights.length), false), allocation)),
                List.of()), device, SaveOptions.of(compression, 1), (done, total) -> {
                });
        allocation.close();

        try (RestoreTask task = store.restore(saved, device, new RestoreOptions(Verification.Crc, 3))) {
            task.await("w");
            task.done().join();
            assertThat(read(task.allocations().getFirst(), 0, weights.length)).isEqualTo(weights);
            assertThat(read(task.allocations().getFirst(), weights.length,
                    (int) task.allocations().getFirst().bytes() - weights.length)).containsOnly(0);
        }
    }

    private void write(Allocation allocation, long offset, byte[] bytes) {
        try (Lane lane = device.openLane(bytes.length)) {
            lane.slot(allocation, offset, bytes.length).copyFrom(MemorySegment.ofArray(bytes));
            lane.submit(() -> {
            });
            lane.drain();
        }
    }

    private byte[] read(Allocation allocation, long offset, int length) {
        try (Lane lane = device.openLane(length)) {
            return lane.read(allocation, offset, length).toArray(JAVA_BYTE);
        }
    }

    private static byte[] random(int bytes, long seed) {
        byte[] content = new byte[bytes];
        new Random(seed).nextBytes(content);
        return content;
    }
}
