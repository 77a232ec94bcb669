package dev.dormouse.sidecar.transport;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** {@code struct sockaddr_un}. */
final class SocketAddresses {
    private static final int PATH_OFFSET = 2;
    private static final int LONGEST = 107;

    private SocketAddresses() {}

    static MemorySegment of(Path path, Arena arena) throws IOException {
        byte[] bytes = path.toString().getBytes(StandardCharsets.UTF_8);
        if (bytes.length > LONGEST) {
            throw new IOException("socket path " + path + " has " + bytes.length + " bytes; unix sockets allow "
                    + LONGEST + ": use a shorter folder");
        }
        MemorySegment address = arena.allocate(PATH_OFFSET + bytes.length + 1L);
        address.set(ValueLayout.JAVA_SHORT_UNALIGNED, 0, (short) Libc.AF_UNIX);
        MemorySegment.copy(bytes, 0, address, ValueLayout.JAVA_BYTE, PATH_OFFSET, bytes.length);
        return address;
    }
}
