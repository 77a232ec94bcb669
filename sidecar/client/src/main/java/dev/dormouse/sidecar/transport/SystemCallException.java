package dev.dormouse.sidecar.transport;

import java.io.IOException;

/** A system call that failed; the message names the call, its subject and the reason. */
public final class SystemCallException extends IOException {
    static final int ENOENT = 2;
    static final int EINTR = 4;
    static final int EAGAIN = 11;
    static final int ENOSPC = 28;
    static final int EPIPE = 32;
    static final int ECONNRESET = 104;
    static final int ECONNREFUSED = 111;

    private final int errno;

    SystemCallException(String call, int errno, String reason) {
        super(call + ": " + reason + " (errno " + errno + ")");
        this.errno = errno;
    }

    /** The error number of {@code errno.h} on Linux. */
    public int errno() {
        return errno;
    }

    /** The other process has ended, or has closed its end. */
    public boolean peerGone() {
        return errno == EPIPE || errno == ECONNRESET;
    }

    /** A connect that may succeed later: the socket is not there yet, or its owner has died. */
    public boolean nobodyListens() {
        return errno == ENOENT || errno == ECONNREFUSED;
    }
}
