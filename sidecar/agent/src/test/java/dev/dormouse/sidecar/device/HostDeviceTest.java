package dev.dormouse.sidecar.device;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.transport.Mapping;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class HostDeviceTest {
    private final HostDevice device = new HostDevice(8L << 30);

    @AfterEach
    void close() {
        device.close();
    }

    @Test
    void whatALaneWritesIsSeenThroughTheDescriptor() throws Exception {
        Allocation allocation = device.allocate(10_000, BufferType.Weights);

        write(allocation, 5_000, new byte[]{1, 2, 3});

        try (Mapping engine = Mapping.readOnly(allocation.fd(), 10_000)) {
            assertThat(engine.segment().asSlice(5_000, 4).toArray(ValueLayout.JAVA_BYTE)).containsExactly(1, 2, 3, 0);
        }
    }

    @Test
    @DisplayName("S66: allocations beyond 4 GiB")
    void large() {
        Allocation allocation = device.allocate(5L << 30, BufferType.Weights);
        long nearEnd = (5L << 30) - 3;

        write(allocation, nearEnd, new byte[]{1, 2, 3});

        try (Lane lane = device.openLane(3)) {
            assertThat(lane.read(allocation, nearEnd, 3).toArray(ValueLayout.JAVA_BYTE)).containsExactly(1, 2, 3);
        }
    }

    @Test
    void sealedMemoryCanBeReadAndNeitherWrittenNorResized() throws Exception {
        Allocation allocation = device.allocate(4096, BufferType.Weights);
        write(allocation, 0, new byte[]{7});

        allocation.seal();
        allocation.seal();

        assertThatIOException().isThrownBy(() -> Mapping.readWrite(allocation.fd(), 4096));
        try (var file = new RandomAccessFile("/proc/self/fd/" + allocation.fd(), "rw")) {
            assertThatIOException().isThrownBy(() -> file.write(1));
            assertThatIOException().isThrownBy(() -> file.setLength(8192));
            assertThatIOException().isThrownBy(() -> file.setLength(1));
        }
        assertThat(Files.readAllBytes(Path.of("/proc/self/fd/" + allocation.fd()))[0]).isEqualTo((byte) 7);
        try (Lane lane = device.openLane(1)) {
            assertThatIllegalStateException().isThrownBy(() -> lane.slot(allocation, 0, 1))
                    .withMessageContaining("sealed");
            MemorySegment read = lane.read(allocation, 0, 1);
            assertThat(read.isReadOnly()).isTrue();
            assertThat(read.get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 7);
        }
    }

    @Test
    void memorySealedForOthersIsStillOursToFill() {
        Allocation allocation = device.allocate(4096, BufferType.Weights);

        allocation.sealForOthers();

        assertThatIOException().isThrownBy(() -> Mapping.readWrite(allocation.fd(), 4096));
        write(allocation, 0, new byte[]{7});
        try (Lane lane = device.openLane(1)) {
            assertThat(lane.read(allocation, 0, 1).get(ValueLayout.JAVA_BYTE, 0)).isEqualTo((byte) 7);
        }
    }

    @Test
    void capacityIsPromisedOnceAndGivenBack() {
        var small = new HostDevice(100);
        Allocation first = small.allocate(60, BufferType.Weights);

        assertThatExceptionOfType(OutOfDeviceMemoryException.class)
                .isThrownBy(() -> small.allocate(41, BufferType.Weights))
                .withMessage("an allocation of 41 bytes does not fit: 60 of 100 bytes are in use");
        first.close();
        first.close();

        assertThat(small.usedBytes()).isZero();
        assertThat(small.allocate(100, BufferType.Weights).bytes()).isEqualTo(100);
        small.close();
        assertThat(small.usedBytes()).isZero();
    }

    @Test
    void anEmptyAllocationIsAnEmptyFile() throws Exception {
        Allocation empty = device.allocate(0, BufferType.Other);

        empty.seal();

        assertThat(Files.size(Path.of("/proc/self/fd/" + empty.fd()))).isZero();
    }

    @Test
    void aLaneServesItsOwnDeviceOnly() {
        var other = new HostDevice(100);
        Allocation foreign = other.allocate(10, BufferType.Weights);

        try (Lane lane = device.openLane(10); other) {
            assertThatIllegalArgumentException().isThrownBy(() -> lane.slot(foreign, 0, 10))
                    .withMessageContaining("another device");
        }
    }

    @Test
    void copiesOutsideAnAllocationAreRefused() {
        Allocation allocation = device.allocate(10, BufferType.Weights);

        try (Lane lane = device.openLane(10)) {
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> lane.slot(allocation, 5, 6));
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> lane.read(allocation, -1, 1));
        }
    }

    private void write(Allocation allocation, long offset, byte[] bytes) {
        try (Lane lane = device.openLane(bytes.length)) {
            lane.slot(allocation, offset, bytes.length).copyFrom(MemorySegment.ofArray(bytes));
            lane.submit(() -> {
            });
        }
    }
}
