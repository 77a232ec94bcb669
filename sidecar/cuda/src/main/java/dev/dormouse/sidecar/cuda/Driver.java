package dev.dormouse.sidecar.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUmemGenericAllocationHandle;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.jspecify.annotations.Nullable;

/** Loads the driver, turns its errors into exceptions, and calls by hand what JCuda cannot. */
final class Driver {
    /** Path of another libcuda.so.1 than the system's: the stand-in. */
    static final String PATH = "dormouse.cuda.driver";
    static final int HANDLE_BYTES = 64;

    private static final StructLayout IPC_HANDLE = MemoryLayout
            .structLayout(MemoryLayout.sequenceLayout(HANDLE_BYTES, JAVA_BYTE));

    /**
     * Functions that JCuda lacks, or that do not work in it: 12.6.0 passes a null pointer for the exported handle, and
     * garbage for the location in an access descriptor.
     */
    private record Functions(MethodHandle export, MethodHandle setAccess, MethodHandle getIpcHandle,
            MethodHandle openIpcHandle) {}

    private static @Nullable Functions functions;

    private Driver() {}

    /**
     * Once per process; asking again does nothing.
     *
     * @throws CudaUnavailableException when there is no driver, or it refuses
     */
    static synchronized void load() throws CudaUnavailableException {
        if (functions != null) {
            return;
        }
        try {
            String path = System.getProperty(PATH);
            if (path != null && Files.exists(Path.of(path))) {
                // Whoever asks for libcuda.so.1 from here on gets this one: the loader goes by the library's own name.
                System.load(Path.of(path).toAbsolutePath().toString());
            }
            SymbolLookup driver = SymbolLookup.libraryLookup("libcuda.so.1", Arena.global());
            JCudaDriver.setExceptionsEnabled(false);
            int result = JCudaDriver.cuInit(0);
            if (result != CUresult.CUDA_SUCCESS) {
                throw new CudaUnavailableException(String.valueOf(new CudaException("cuInit", result, name(result))
                        .getMessage()));
            }
            functions = new Functions(function(driver, "cuMemExportToShareableHandle", ADDRESS, JAVA_LONG, JAVA_INT,
                    JAVA_LONG), function(driver, "cuMemSetAccess", JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG),
                    function(driver, "cuIpcGetMemHandle", ADDRESS, JAVA_LONG),
                    function(driver, "cuIpcOpenMemHandle_v2", ADDRESS, IPC_HANDLE, JAVA_INT));
        } catch (IllegalArgumentException e) {
            throw new CudaUnavailableException("the CUDA driver (libcuda.so.1) is not there: schedule this pod on a GPU"
                    + " node with the NVIDIA container runtime, or set snapshot.memory to Staged or Host", e);
        } catch (UnsatisfiedLinkError | NoClassDefFoundError e) {
            throw new CudaUnavailableException("JCuda's library cannot be loaded: start the JVM with"
                    + " -Djava.library.path naming the folder of libJCudaDriver, which is "
                    + System.getProperty("java.library.path") + ": " + String.valueOf(e.getMessage())
                            .strip()
                            .lines()
                            .findFirst()
                            .orElse(""),
                    e);
        }
    }

    private static MethodHandle function(SymbolLookup driver, String name, MemoryLayout... arguments) {
        return Linker.nativeLinker()
                .downcallHandle(driver.findOrThrow(name),
                        FunctionDescriptor.of(JAVA_INT, arguments));
    }

    static void check(String call, int result) {
        if (result != CUresult.CUDA_SUCCESS) {
            throw new CudaException(call, result, name(result));
        }
    }

    private static String name(int result) {
        return CUresult.stringFor(result);
    }

    /** The descriptor of a shareable handle; the caller's to close. */
    static int export(long handle) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment descriptor = arena.allocate(JAVA_INT);
            check("cuMemExportToShareableHandle",
                    (int) loaded().export.invokeExact(descriptor, handle, CudaBlock.POSIX_DESCRIPTOR, 0L));
            return descriptor.get(JAVA_INT, 0);
        } catch (Throwable e) {
            throw unchecked(e);
        }
    }

    /** @param flags 0 none, 1 read, 3 read and write */
    static void setAccess(long address, long bytes, int ordinal, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            // CUmemAccessDesc: type and id of the location, flags.
            MemorySegment descriptor = arena.allocateFrom(JAVA_INT, CudaBlock.DEVICE, ordinal, flags);
            check("cuMemSetAccess", (int) loaded().setAccess.invokeExact(address, bytes, descriptor, 1L));
        } catch (Throwable e) {
            throw unchecked(e);
        }
    }

    /** JCuda has no way to the bytes of a handle. */
    static byte[] ipcHandle(long address) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment handle = arena.allocate(IPC_HANDLE);
            check("cuIpcGetMemHandle", (int) loaded().getIpcHandle.invokeExact(handle, address));
            return handle.toArray(JAVA_BYTE);
        } catch (Throwable e) {
            throw unchecked(e);
        }
    }

    static long openIpcHandle(byte[] bytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment handle = arena.allocate(IPC_HANDLE);
            MemorySegment.copy(bytes, 0, handle, JAVA_BYTE, 0, HANDLE_BYTES);
            MemorySegment address = arena.allocate(JAVA_LONG);
            int lazyPeerAccess = 1;
            check("cuIpcOpenMemHandle", (int) loaded().openIpcHandle.invokeExact(address, handle, lazyPeerAccess));
            return address.get(JAVA_LONG, 0);
        } catch (Throwable e) {
            throw unchecked(e);
        }
    }

    private static Functions loaded() {
        Functions present = functions;
        if (present == null) {
            throw new IllegalStateException("the driver has not been loaded");
        }
        return present;
    }

    private static RuntimeException unchecked(Throwable e) {
        if (e instanceof RuntimeException expected) {
            return expected;
        }
        throw new IllegalStateException("the driver cannot be called", e);
    }

    /** A device address as JCuda wants it, and back. */
    static final class Address extends CUdeviceptr {
        Address() {
            // The driver fills it.
        }

        Address(long value) {
            super(new CUdeviceptr(), value);
        }

        long value() {
            return getNativePointer() + getByteOffset();
        }
    }

    /** A host address, or a descriptor in the guise of one. */
    static final class HostPointer extends Pointer {
        HostPointer() {
            // The driver fills it.
        }

        HostPointer(long value) {
            super(value);
        }
    }

    /** A {@code CUmemGenericAllocationHandle} whose value can be had. */
    static final class Handle extends CUmemGenericAllocationHandle {
        long value() {
            return getNativePointer();
        }
    }
}
