package dev.dormouse.sidecar.transport;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("Shared memory")
class MemfdTest {

    @Test
    @DisplayName("that is sealed can be read, but neither mapped writable nor resized, by anyone who has a descriptor")
    void sealedMemoryIsFrozen() throws IOException {
        try (Memfd owner = Memfd.create("sealed", 8192); Arena reading = Arena.ofConfined()) {
            try (Arena writing = Arena.ofConfined()) {
                owner.map(true, writing).fill((byte) 5);
            }
            owner.seal();

            try (Memfd other = Memfd.received(duplicate(owner))) {
                assertThat(other.map(false, reading).get(ValueLayout.JAVA_BYTE, 8191)).isEqualTo((byte) 5);
                assertThatThrownBy(() -> other.map(true, reading)).hasMessageContaining("operation not permitted");
                assertThatThrownBy(() -> Libc.ftruncate(other.fd(), 4096))
                        .hasMessageContaining("operation not permitted");
                assertThatThrownBy(() -> Libc.ftruncate(other.fd(), 16384))
                        .hasMessageContaining("operation not permitted");
            }
            assertThatThrownBy(() -> owner.map(true, reading)).hasMessageContaining("operation not permitted");
        }
    }

    @Test
    @DisplayName("that is sealed stays writable through a mapping that was there before: a restore fills it so")
    void anEarlierWritableMappingStays() throws IOException {
        try (Memfd owner = Memfd.create("filled-later", 4096); Arena arena = Arena.ofConfined()) {
            MemorySegment ours = owner.map(true, arena);
            owner.seal();

            ours.set(ValueLayout.JAVA_INT, 0, 9);

            assertThat(owner.map(false, arena).get(ValueLayout.JAVA_INT, 0)).isEqualTo(9);
        }
    }

    @Test
    @DisplayName("that is mapped read-only throws on a write instead of ending the process")
    void aReadOnlyMappingThrowsOnAWrite() throws IOException {
        try (Memfd memory = Memfd.create("read-only", 4096); Arena arena = Arena.ofConfined()) {
            MemorySegment segment = memory.map(false, arena);

            assertThatThrownBy(() -> segment.set(ValueLayout.JAVA_BYTE, 0, (byte) 1))
                    .isInstanceOfAny(IllegalArgumentException.class, UnsupportedOperationException.class);
        }
    }

    @Test
    @DisplayName("is read at its end also where that lies past 2 GiB")
    void isReadPastTwoGibibytes() throws IOException {
        long bytes = (2L << 30) + 4096;
        try (Memfd memory = Memfd.create("sparse", bytes); Arena arena = Arena.ofConfined()) {
            memory.map(true, arena).set(ValueLayout.JAVA_BYTE, bytes - 1, (byte) 77);

            try (Memfd received = Memfd.received(duplicate(memory))) {
                assertThat(received.bytes()).isEqualTo(bytes);
                assertThat(received.map(false, arena).get(ValueLayout.JAVA_BYTE, bytes - 1)).isEqualTo((byte) 77);
            }
        }
    }

    @Test
    @DisplayName("may have no bytes at all, as an empty file has")
    void mayBeEmpty() throws IOException {
        try (Memfd memory = Memfd.create("empty", 0); Arena arena = Arena.ofConfined()) {
            memory.seal();

            assertThat(memory.map(true, arena).byteSize()).isZero();
            assertThat(memory.map(false, arena).byteSize()).isZero();
        }
    }

    @Test
    @DisplayName("cannot have fewer than none, and says what was asked for")
    void cannotHaveANegativeSize() {
        assertThatThrownBy(() -> Memfd.create("negative", -1)).hasMessageContaining("-1 bytes")
                .hasMessageContaining("invalid argument");
    }

    private static int duplicate(Memfd memory) throws IOException {
        return Libc.fcntl(memory.fd(), Libc.F_DUPFD_CLOEXEC, 0);
    }
}
