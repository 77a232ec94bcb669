package dev.dormouse.sidecar.transport;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** The C library's {@code sockaddr_un}: a family, then the path, ended by a zero byte. */
final class SocketAddress {
    static final int MAX_PATH = 107;

    private SocketAddress() {}

    static MemorySegment of(Path path, Arena arena) throws IOException {
        byte[] text = path.toString().getBytes(StandardCharsets.UTF_8);
        if (text.length == 0 || text.length > MAX_PATH) {
            throw new IOException("Socket path " + path + " has " + text.length + " bytes; the kernel allows 1 to "
                    + MAX_PATH + ": choose a shorter folder");
        }
        MemorySegment address = arena.allocate(2 + MAX_PATH + 1, 2);
        address.set(JAVA_SHORT, 0, (short) Libc.AF_UNIX);
        MemorySegment.copy(text, 0, address, JAVA_BYTE, 2, text.length);
        return address;
    }
}
