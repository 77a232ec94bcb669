package dev.dormouse.sidecar.transport;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/** The system calls this package needs, with {@code errno} turned into {@link SystemCallException}. */
final class Libc {
    static final int AF_UNIX = 1;
    static final int SOCK_STREAM_CLOEXEC = 1 | 0x80000;
    static final int SOL_SOCKET = 1;
    static final int SCM_RIGHTS = 1;
    static final int SO_RCVTIMEO = 20;
    static final int SHUT_WR = 1;
    static final int SHUT_RDWR = 2;
    static final int MSG_CTRUNC = 0x8;
    static final int MSG_NOSIGNAL = 0x4000;
    static final int MSG_CMSG_CLOEXEC = 0x40000000;
    static final int PROT_READ = 1;
    static final int PROT_WRITE = 2;
    static final int MAP_SHARED = 1;
    static final int MFD_CLOEXEC = 1;
    static final int MFD_ALLOW_SEALING = 2;
    static final int F_ADD_SEALS = 1033;
    static final int F_SEAL_SHRINK = 2;
    static final int F_SEAL_GROW = 4;
    static final int F_SEAL_FUTURE_WRITE = 16;
    static final int O_RDONLY_CLOEXEC = 0x80000;
    static final int SEEK_END = 2;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO = STATE.varHandle(PathElement.groupElement("errno"));

    private static final MethodHandle SOCKET = call("socket", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT);
    private static final MethodHandle BIND = call("bind", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle CONNECT = call("connect", JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle LISTEN = call("listen", JAVA_INT, JAVA_INT, JAVA_INT);
    private static final MethodHandle ACCEPT = call("accept4", JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_INT);
    private static final MethodHandle SENDMSG = call("sendmsg", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle RECVMSG = call("recvmsg", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle SHUTDOWN = call("shutdown", JAVA_INT, JAVA_INT, JAVA_INT);
    private static final MethodHandle CLOSE = call("close", JAVA_INT, JAVA_INT);
    private static final MethodHandle SETSOCKOPT = call("setsockopt", JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS,
            JAVA_INT);
    private static final MethodHandle MEMFD_CREATE = call("memfd_create", JAVA_INT, ADDRESS, JAVA_INT);
    private static final MethodHandle FTRUNCATE = call("ftruncate", JAVA_INT, JAVA_INT, JAVA_LONG);
    private static final MethodHandle LSEEK = call("lseek", JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT);
    private static final MethodHandle PREAD = call("pread", JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle MMAP = call("mmap", JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT,
            JAVA_LONG);
    private static final MethodHandle MUNMAP = call("munmap", JAVA_INT, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle OPEN = variadic("open", 2, ADDRESS, JAVA_INT, JAVA_INT);
    private static final MethodHandle FCNTL = variadic("fcntl", 2, JAVA_INT, JAVA_INT, JAVA_INT);
    private static final MethodHandle STRERROR = LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow("strerror"),
            FunctionDescriptor.of(ADDRESS, JAVA_INT));

    private Libc() {}

    static int socket() throws SystemCallException {
        return (int) checked("socket", errno -> (int) SOCKET.invokeExact(errno, AF_UNIX, SOCK_STREAM_CLOEXEC, 0));
    }

    static void bind(int fd, MemorySegment address, String name) throws SystemCallException {
        checked("bind " + name,
                errno -> (int) BIND.invokeExact(errno, fd, address, Math.toIntExact(address.byteSize())));
    }

    static void connect(int fd, MemorySegment address, String name) throws SystemCallException {
        checked("connect " + name,
                errno -> (int) CONNECT.invokeExact(errno, fd, address, Math.toIntExact(address.byteSize())));
    }

    static void listen(int fd, int backlog) throws SystemCallException {
        checked("listen", errno -> (int) LISTEN.invokeExact(errno, fd, backlog));
    }

    static int accept(int fd) throws SystemCallException {
        return (int) checked("accept",
                errno -> (int) ACCEPT.invokeExact(errno, fd, MemorySegment.NULL, MemorySegment.NULL, 0x80000));
    }

    static long sendmsg(int fd, MemorySegment header) throws SystemCallException {
        return checked("sendmsg", errno -> (long) SENDMSG.invokeExact(errno, fd, header, MSG_NOSIGNAL));
    }

    static long recvmsg(int fd, MemorySegment header) throws SystemCallException {
        return checked("recvmsg", errno -> (long) RECVMSG.invokeExact(errno, fd, header, MSG_CMSG_CLOEXEC));
    }

    /** Wakes every thread blocked on the socket. Fails silently on one that is not connected any more. */
    static void shutdown(int fd) {
        shutdown(fd, SHUT_RDWR);
    }

    /** The peer reads an end of file; what it still sends arrives. */
    static void finish(int fd) {
        shutdown(fd, SHUT_WR);
    }

    private static void shutdown(int fd, int how) {
        try {
            checked("shutdown", errno -> (int) SHUTDOWN.invokeExact(errno, fd, how));
        } catch (SystemCallException e) {
            // The peer was faster: there is nobody left to wake.
        }
    }

    /** Never retried and never reported: on Linux the descriptor is gone whatever {@code close} answers. */
    static void close(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            int ignored = (int) CLOSE.invokeExact(arena.allocate(STATE), fd);
        } catch (Throwable e) {
            throw new IllegalStateException("close cannot be called", e);
        }
    }

    static void receiveTimeout(int fd, long micros) throws SystemCallException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment timeval = arena.allocateFrom(JAVA_LONG, micros / 1_000_000, micros % 1_000_000);
            checked("setsockopt SO_RCVTIMEO",
                    errno -> (int) SETSOCKOPT.invokeExact(errno, fd, SOL_SOCKET, SO_RCVTIMEO, timeval, 16));
        }
    }

    static int memfdCreate(String name) throws SystemCallException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom(name);
            return (int) checked("memfd_create " + name,
                    errno -> (int) MEMFD_CREATE.invokeExact(errno, text, MFD_CLOEXEC | MFD_ALLOW_SEALING));
        }
    }

    static void ftruncate(int fd, long bytes) throws SystemCallException {
        checked("ftruncate to " + bytes + " bytes", errno -> (int) FTRUNCATE.invokeExact(errno, fd, bytes));
    }

    static long size(int fd) throws SystemCallException {
        return checked("lseek", errno -> (long) LSEEK.invokeExact(errno, fd, 0L, SEEK_END));
    }

    static long pread(int fd, MemorySegment target, long offset) throws SystemCallException {
        return checked("pread",
                errno -> (long) PREAD.invokeExact(errno, fd, target, target.byteSize(), offset));
    }

    static int openReadOnly(String path) throws SystemCallException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = arena.allocateFrom(path);
            return (int) checked("open " + path, errno -> (int) OPEN.invokeExact(errno, text, O_RDONLY_CLOEXEC, 0));
        }
    }

    static void addSeals(int fd, int seals) throws SystemCallException {
        checked("fcntl F_ADD_SEALS", errno -> (int) FCNTL.invokeExact(errno, fd, F_ADD_SEALS, seals));
    }

    static long mmap(int fd, long bytes, int protection) throws SystemCallException {
        return checked("mmap of " + bytes + " bytes", errno -> (long) MMAP.invokeExact(errno, MemorySegment.NULL,
                bytes, protection, MAP_SHARED, fd, 0L));
    }

    static void munmap(long address, long bytes) {
        try {
            checked("munmap", errno -> (int) MUNMAP.invokeExact(errno, address, bytes));
        } catch (SystemCallException e) {
            throw new IllegalStateException("Memory that we mapped ourselves cannot be unmapped", e);
        }
    }

    private interface Call {
        long with(MemorySegment errno) throws Throwable;
    }

    /** Repeats an interrupted call: the JVM's own signals are nobody else's business. */
    private static long checked(String what, Call call) throws SystemCallException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(STATE);
            while (true) {
                long result;
                try {
                    result = call.with(state);
                } catch (Throwable e) {
                    throw new IllegalStateException(what + " cannot be called", e);
                }
                if (result >= 0) {
                    return result;
                }
                int errno = (int) ERRNO.get(state, 0L);
                if (errno != SystemCallException.EINTR) {
                    throw new SystemCallException(what, errno, reason(errno));
                }
            }
        }
    }

    private static String reason(int errno) {
        try {
            return ((MemorySegment) STRERROR.invokeExact(errno)).reinterpret(256).getString(0);
        } catch (Throwable e) {
            throw new IllegalStateException("strerror cannot be called", e);
        }
    }

    private static MethodHandle call(String name, MemoryLayout result,
            MemoryLayout... arguments) {
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name),
                FunctionDescriptor.of(result, arguments), Linker.Option.captureCallState("errno"));
    }

    private static MethodHandle variadic(String name, int fixed, MemoryLayout... arguments) {
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name),
                FunctionDescriptor.of(JAVA_INT, arguments), Linker.Option.captureCallState("errno"),
                Linker.Option.firstVariadicArg(fixed));
    }
}
