package dev.dormouse.sidecar.transport;

import dev.dormouse.sidecar.api.EngineMessage;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;

/** A listening unix socket. It owns its path: a socket left there by a process that died is replaced. */
public final class UnixListener implements AutoCloseable {
    private static final int BACKLOG = 16;

    private final int fd;
    private final Path path;
    /** Held while a thread is inside {@code accept}, so that the descriptor is not closed, and reused, under it. */
    private final ReentrantLock accepting = new ReentrantLock();
    private volatile boolean closed;

    private UnixListener(int fd, Path path) {
        this.fd = fd;
        this.path = path;
    }

    /** @throws IOException with the path when it is too long, or cannot be bound */
    public static UnixListener bind(Path path) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            var address = SocketAddress.of(path, arena);
            Files.deleteIfExists(path);
            int fd = Libc.socket();
            try {
                Libc.bind(fd, address, path.toString());
                Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rw-rw----"));
                Libc.listen(fd, BACKLOG);
            } catch (IOException | RuntimeException e) {
                Libc.close(fd);
                throw e;
            }
            return new UnixListener(fd, path);
        }
    }

    /** Waits for the next peer; empty once the listener is closed. */
    public Optional<MessageChannel> accept() throws IOException {
        return accept(EngineMessage.MAX_FDS);
    }

    Optional<MessageChannel> accept(int descriptorRoom) throws IOException {
        accepting.lock();
        try {
            if (closed) {
                return Optional.empty();
            }
            return Optional.of(new MessageChannel(Libc.accept(fd), descriptorRoom));
        } catch (SystemCallException e) {
            if (closed) {
                return Optional.empty();
            }
            throw e;
        } finally {
            accepting.unlock();
        }
    }

    @Override
    public void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        Libc.shutdown(fd);
        accepting.lock();
        try {
            Libc.close(fd);
        } finally {
            accepting.unlock();
        }
        Files.deleteIfExists(path);
    }
}
