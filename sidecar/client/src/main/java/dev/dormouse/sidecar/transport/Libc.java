package dev.dormouse.sidecar.transport;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/**
 * The C library's calls we need, each as a method that throws {@link ErrnoException} where C returns -1. Constants are
 * Linux's; structures are laid out for 64-bit Linux.
 */
final class Libc {
    static final int AF_UNIX = 1;
    static final int SOCK_STREAM = 1;
    static final int SOCK_CLOEXEC = 0x80000;
    static final int SOL_SOCKET = 1;
    static final int SCM_RIGHTS = 1;
    static final int MSG_NOSIGNAL = 0x4000;
    static final int MSG_CMSG_CLOEXEC = 0x40000000;
    static final int MSG_CTRUNC = 8;
    static final int SHUT_RDWR = 2;
    static final int MFD_CLOEXEC = 1;
    static final int MFD_ALLOW_SEALING = 2;
    static final int F_ADD_SEALS = 1033;
    static final int F_DUPFD_CLOEXEC = 1030;
    static final int PROT_READ = 1;
    static final int PROT_WRITE = 2;
    static final int MAP_SHARED = 1;
    static final int EINTR = 4;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");
    private static final MemoryLayout ERRNO_LAYOUT = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO_HANDLE = ERRNO_LAYOUT
            .varHandle(MemoryLayout.PathElement.groupElement("errno"));

    private static final MethodHandle SOCKET = handle("socket", ints(3));
    private static final MethodHandle BIND = handle("bind",
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle LISTEN = handle("listen", ints(2));
    private static final MethodHandle ACCEPT = handle("accept4",
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, ADDRESS, JAVA_INT));
    private static final MethodHandle CONNECT = handle("connect",
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle SENDMSG = handle("sendmsg",
            FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle RECVMSG = handle("recvmsg",
            FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle SHUTDOWN = handle("shutdown", ints(2));
    private static final MethodHandle CLOSE = handle("close", ints(1));
    private static final MethodHandle MEMFD_CREATE = handle("memfd_create",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle FTRUNCATE = handle("ftruncate",
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle FCNTL = LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow("fcntl"),
            ints(3), ERRNO, Linker.Option.firstVariadicArg(2));
    private static final MethodHandle MMAP = handle("mmap",
            FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MUNMAP = handle("munmap", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle LSEEK = handle("lseek",
            FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));

    /** A C call that failed. */
    static final class ErrnoException extends IOException {
        private static final long serialVersionUID = 1;
        private final int errno;

        ErrnoException(String call, int errno) {
            super(call + ": " + message(errno));
            this.errno = errno;
        }

        int errno() {
            return errno;
        }

        private static String message(int errno) {
            String text = switch (errno) {
                case 1 -> "operation not permitted";
                case 2 -> "no such file or directory";
                case 9 -> "bad file descriptor";
                case 11 -> "try again";
                case 12 -> "out of memory";
                case 13 -> "permission denied";
                case 22 -> "invalid argument";
                case 24 -> "too many open files";
                case 28 -> "no space left";
                case 32 -> "broken pipe";
                case 98 -> "address in use";
                case 104 -> "connection reset by peer";
                case 107 -> "not connected";
                case 109 -> "too many descriptors in flight";
                case 111 -> "connection refused";
                default -> "error";
            };
            return text + " (errno " + errno + ")";
        }
    }

    private Libc() {}

    private static MethodHandle handle(String name, FunctionDescriptor type) {
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), type, ERRNO);
    }

    private static FunctionDescriptor ints(int count) {
        MemoryLayout[] arguments = new MemoryLayout[count];
        java.util.Arrays.fill(arguments, JAVA_INT);
        return FunctionDescriptor.of(JAVA_INT, arguments);
    }

    @FunctionalInterface
    private interface Call {
        long apply(MemorySegment errno) throws Throwable;
    }

    /** Runs a call, repeats it when a signal interrupted it, and turns -1 into an exception. */
    private static long check(String name, Call call) throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(ERRNO_LAYOUT);
            while (true) {
                long result = invoke(call, state);
                if (result != -1) {
                    return result;
                }
                int errno = (int) ERRNO_HANDLE.get(state, 0L);
                if (errno != EINTR) {
                    throw new ErrnoException(name, errno);
                }
            }
        }
    }

    private static long invoke(Call call, MemorySegment state) {
        try {
            return call.apply(state);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("a downcall handle throws nothing checked", e);
        }
    }

    static int socket() throws ErrnoException {
        return (int) check("socket", e -> (int) SOCKET.invokeExact(e, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    }

    static void bind(int fd, MemorySegment address) throws ErrnoException {
        check("bind", e -> (int) BIND.invokeExact(e, fd, address, (int) address.byteSize()));
    }

    static void listen(int fd, int backlog) throws ErrnoException {
        check("listen", e -> (int) LISTEN.invokeExact(e, fd, backlog));
    }

    static int accept(int fd) throws ErrnoException {
        return (int) check("accept", e -> (int) ACCEPT.invokeExact(e, fd, MemorySegment.NULL, MemorySegment.NULL,
                SOCK_CLOEXEC));
    }

    static void connect(int fd, MemorySegment address) throws ErrnoException {
        check("connect", e -> (int) CONNECT.invokeExact(e, fd, address, (int) address.byteSize()));
    }

    static long sendmsg(int fd, MemorySegment message) throws ErrnoException {
        return check("sendmsg", e -> (long) SENDMSG.invokeExact(e, fd, message, MSG_NOSIGNAL));
    }

    static long recvmsg(int fd, MemorySegment message) throws ErrnoException {
        return check("recvmsg", e -> (long) RECVMSG.invokeExact(e, fd, message, MSG_CMSG_CLOEXEC));
    }

    static void shutdown(int fd) throws ErrnoException {
        check("shutdown", e -> (int) SHUTDOWN.invokeExact(e, fd, SHUT_RDWR));
    }

    static void close(int fd) throws ErrnoException {
        check("close", e -> (int) CLOSE.invokeExact(e, fd));
    }

    static int memfdCreate(String name) throws ErrnoException {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cName = arena.allocateFrom(name);
            return (int) check("memfd_create",
                    e -> (int) MEMFD_CREATE.invokeExact(e, cName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
        }
    }

    static void ftruncate(int fd, long bytes) throws ErrnoException {
        check("ftruncate to " + bytes + " bytes", e -> (int) FTRUNCATE.invokeExact(e, fd, bytes));
    }

    static int fcntl(int fd, int command, int argument) throws ErrnoException {
        return (int) check("fcntl", e -> (int) FCNTL.invokeExact(e, fd, command, argument));
    }

    static MemorySegment mmap(int fd, long bytes, boolean writable) throws ErrnoException {
        int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
        long address = check("mmap of " + bytes + " bytes",
                e -> ((MemorySegment) MMAP.invokeExact(e, MemorySegment.NULL, bytes, protection, MAP_SHARED, fd, 0L))
                        .address());
        return MemorySegment.ofAddress(address);
    }

    static void munmap(MemorySegment mapping) throws ErrnoException {
        check("munmap", e -> (int) MUNMAP.invokeExact(e, mapping, mapping.byteSize()));
    }

    /** Size of the file behind a descriptor; moves its offset, which shared memory has no use for. */
    static long size(int fd) throws ErrnoException {
        return check("lseek", e -> (long) LSEEK.invokeExact(e, fd, 0L, 2));
    }
}
