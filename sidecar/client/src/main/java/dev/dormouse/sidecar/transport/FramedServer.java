package dev.dormouse.sidecar.transport;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;

/** A listening unix socket. The file is replaced at the start, for a crash leaves one behind, and deleted at the end. */
public final class FramedServer implements AutoCloseable {
    private static final int BACKLOG = 16;

    private final int fd;
    private final Path path;
    private boolean closed;

    private FramedServer(int fd, Path path) {
        this.fd = fd;
        this.path = path;
    }

    public static FramedServer listen(Path path) throws IOException {
        Files.deleteIfExists(path);
        int fd = Libc.socket();
        try (Arena arena = Arena.ofConfined()) {
            Libc.bind(fd, SocketAddresses.of(path, arena));
            Libc.listen(fd, BACKLOG);
            return new FramedServer(fd, path);
        } catch (IOException e) {
            Libc.close(fd);
            throw new IOException("cannot listen on " + path + ": " + e.getMessage(), e);
        }
    }

    /** Blocks until an engine connects; fails once closed. */
    public FramedSocket accept() throws IOException {
        return new FramedSocket(Libc.accept(fd));
    }

    @Override
    public synchronized void close() throws IOException {
        if (!closed) {
            closed = true;
            Libc.shutdown(fd);
            Libc.close(fd);
            Files.deleteIfExists(path);
        }
    }
}
