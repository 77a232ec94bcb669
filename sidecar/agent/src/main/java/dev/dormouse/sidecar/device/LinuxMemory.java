package dev.dormouse.sidecar.device;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;

/** The few Linux calls behind {@link HostDevice}, with errno turned into exceptions. */
final class LinuxMemory {
    private static final int MFD_CLOEXEC = 1;
    private static final int MFD_ALLOW_SEALING = 2;
    private static final int PROT_READ = 1;
    private static final int PROT_WRITE = 2;
    private static final int MAP_SHARED = 1;
    private static final int F_ADD_SEALS = 1033;
    private static final int F_SEAL_SHRINK = 2;
    private static final int F_SEAL_GROW = 4;
    private static final int F_SEAL_FUTURE_WRITE = 16;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final Linker.Option ERRNO = Linker.Option.captureCallState("errno");
    private static final StructLayout CALL_STATE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO_FIELD = CALL_STATE.varHandle(PathElement.groupElement("errno"));

    private static final MethodHandle MEMFD_CREATE = call("memfd_create",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle FTRUNCATE = call("ftruncate",
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MMAP = call("mmap",
            FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MUNMAP = call("munmap", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle MPROTECT = call("mprotect",
            FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
    private static final MethodHandle FCNTL = call("fcntl",
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT), Linker.Option.firstVariadicArg(2));
    private static final MethodHandle CLOSE = call("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));

    private LinuxMemory() {}

    /** An anonymous file in memory, zero throughout, sealable, closed on exec. */
    static int createMemoryFile(String name, long bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            int fd = checked("memfd_create", state,
                    (int) MEMFD_CREATE.invokeExact(state, arena.allocateFrom(name), MFD_CLOEXEC | MFD_ALLOW_SEALING));
            try {
                checked("ftruncate to " + bytes + " bytes", state, (int) FTRUNCATE.invokeExact(state, fd, bytes));
            } catch (LinuxException e) {
                close(fd);
                throw e;
            }
            return fd;
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    /** Maps the whole file, shared and writable, until the arena is closed. */
    static MemorySegment map(int fd, long bytes, Arena arena) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment state = scratch.allocate(CALL_STATE);
            MemorySegment address = (MemorySegment) MMAP.invokeExact(state, MemorySegment.NULL, bytes,
                    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0L);
            checked("mmap of " + bytes + " bytes", state, address.address() == -1 ? -1 : 0);
            return address.reinterpret(bytes, arena, LinuxMemory::unmap);
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    private static void unmap(MemorySegment mapping) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            checked("munmap", state, (int) MUNMAP.invokeExact(state, mapping, mapping.byteSize()));
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    /** No new writable mapping, no write, no other size, by whoever holds the file. */
    static void seal(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            checked("fcntl(F_ADD_SEALS)", state, (int) FCNTL.invokeExact(state, fd, F_ADD_SEALS,
                    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE));
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    /** A write to the mapping kills the process from now on: callers hand out read-only segments first. */
    static void protect(MemorySegment mapping) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            checked("mprotect", state, (int) MPROTECT.invokeExact(state, mapping, mapping.byteSize(), PROT_READ));
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    static void close(int fd) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment state = arena.allocate(CALL_STATE);
            checked("close", state, (int) CLOSE.invokeExact(state, fd));
        } catch (Throwable e) {
            throw rethrown(e);
        }
    }

    private static MethodHandle call(String name, FunctionDescriptor type, Linker.Option... options) {
        var all = new Linker.Option[options.length + 1];
        System.arraycopy(options, 0, all, 0, options.length);
        all[options.length] = ERRNO;
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), type, all);
    }

    private static int checked(String call, MemorySegment state, int result) {
        if (result == -1) {
            throw new LinuxException(call, (int) ERRNO_FIELD.get(state, 0L));
        }
        return result;
    }

    private static RuntimeException rethrown(Throwable e) {
        return switch (e) {
            case RuntimeException unchecked -> unchecked;
            case Error error -> throw error;
            default -> new IllegalStateException("a native call declares no exception", e);
        };
    }

    /** A call failed; the errno tells why. */
    static final class LinuxException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        LinuxException(String call, int errno) {
            super(call + " failed with errno " + errno);
        }
    }
}
