package dev.dormouse.sidecar.cuda;

import static dev.dormouse.sidecar.cuda.Driver.check;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUdevice_attribute;
import jcuda.driver.CUuuid;
import jcuda.driver.JCudaDriver;

/**
 * One device and its primary context, which all libraries of a process share. Every method may be called by any platform
 * thread: it makes the context current there first. Sizes are bytes.
 */
public final class CudaContext implements AutoCloseable {
    private static final int PORTABLE = 1;
    /** JCuda wraps host memory into a buffer, which ends at 2 GiB. */
    private static final long MAX_HOST = 1L << 30;

    private final CUdevice device;
    private final CUcontext context;
    private final int ordinal;
    private final String name;
    private final String uuid;
    private final long totalBytes;
    private final long granularity;
    private final AtomicBoolean closed = new AtomicBoolean();

    private CudaContext(CUdevice device, CUcontext context, int ordinal) {
        this.device = device;
        this.context = context;
        this.ordinal = ordinal;
        this.name = name(device);
        this.uuid = uuid(device);
        long[] total = new long[1];
        check("cuDeviceTotalMem", JCudaDriver.cuDeviceTotalMem(total, device));
        this.totalBytes = total[0];
        this.granularity = CudaBlock.granularity(ordinal);
    }

    /** How many devices this process can use. */
    public static int devices() throws CudaUnavailableException {
        Driver.load();
        int[] count = new int[1];
        check("cuDeviceGetCount", JCudaDriver.cuDeviceGetCount(count));
        return count[0];
    }

    /** The newest CUDA that the driver speaks, as it says it: 12060 is 12.6. */
    public static int driverVersion() throws CudaUnavailableException {
        Driver.load();
        int[] version = new int[1];
        check("cuDriverGetVersion", JCudaDriver.cuDriverGetVersion(version));
        return version[0];
    }

    /**
     * Takes hold of a device.
     *
     * @param ordinal from 0, among those this process sees
     * @throws CudaUnavailableException when there is no driver or no such device
     */
    public static CudaContext open(int ordinal) throws CudaUnavailableException {
        int count = devices();
        if (ordinal < 0 || ordinal >= count) {
            throw new CudaUnavailableException(
                    "there is no GPU " + ordinal + ": the driver shows " + count + " to this container");
        }
        CUdevice device = new CUdevice();
        CUcontext context = new CUcontext();
        try {
            check("cuDeviceGet", JCudaDriver.cuDeviceGet(device, ordinal));
            check("cuDevicePrimaryCtxRetain", JCudaDriver.cuDevicePrimaryCtxRetain(context, device));
            return new CudaContext(device, context, ordinal);
        } catch (CudaException e) {
            throw new CudaUnavailableException("GPU " + ordinal + " cannot be used: " + e.getMessage(), e);
        }
    }

    private static String name(CUdevice device) {
        byte[] text = new byte[256];
        check("cuDeviceGetName", JCudaDriver.cuDeviceGetName(text, text.length, device));
        int length = 0;
        while (length < text.length && text[length] != 0) {
            length++;
        }
        return new String(text, 0, length, UTF_8);
    }

    private static String uuid(CUdevice device) {
        CUuuid uuid = new CUuuid();
        check("cuDeviceGetUuid", JCudaDriver.cuDeviceGetUuid(uuid, device));
        ByteBuffer bytes = ByteBuffer.wrap(uuid.bytes);
        return "GPU-" + new UUID(bytes.getLong(), bytes.getLong());
    }

    public int ordinal() {
        return ordinal;
    }

    public String name() {
        return name;
    }

    /** As nvidia-smi writes it: {@code GPU-8f2d0c1e-…}. */
    public String uuid() {
        return uuid;
    }

    public long totalBytes() {
        return totalBytes;
    }

    /** What {@link CudaBlock}s and {@link AddressRange}s are multiples of. */
    public long granularity() {
        return granularity;
    }

    /** {@code sm_90} and the like. */
    public String architecture() {
        return "sm_" + attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
                + attribute(CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    }

    private int attribute(int which) {
        int[] value = new int[1];
        check("cuDeviceGetAttribute", JCudaDriver.cuDeviceGetAttribute(value, which, device));
        return value[0];
    }

    /** Makes the context current on the calling thread. */
    public void bind() {
        if (closed.get()) {
            throw new IllegalStateException("the context of GPU " + ordinal + " is closed");
        }
        check("cuCtxSetCurrent", JCudaDriver.cuCtxSetCurrent(context));
    }

    /** What no process has allocated. */
    public long freeBytes() {
        bind();
        long[] free = new long[1];
        check("cuMemGetInfo", JCudaDriver.cuMemGetInfo(free, new long[1]));
        return free[0];
    }

    /** Memory of this process, which ends with the context; its contents are undefined. */
    public long allocate(long bytes) {
        bind();
        Driver.Address address = new Driver.Address();
        check("cuMemAlloc", JCudaDriver.cuMemAlloc(address, bytes));
        return address.value();
    }

    public void free(long address) {
        bind();
        check("cuMemFree", JCudaDriver.cuMemFree(new Driver.Address(address)));
    }

    /** 64 bytes by which another process can use a block of {@link #allocate}; they mean the whole block. */
    public byte[] ipcHandle(long address) {
        bind();
        return Driver.ipcHandle(address);
    }

    /** Where another process's block begins here; opened again it is the same, and must be closed as often. */
    public long openIpcHandle(byte[] handle) {
        if (handle.length != Driver.HANDLE_BYTES) {
            throw new IllegalArgumentException("an IPC handle has 64 bytes, not " + handle.length);
        }
        bind();
        return Driver.openIpcHandle(handle);
    }

    public void closeIpcHandle(long address) {
        bind();
        check("cuIpcCloseMemHandle", JCudaDriver.cuIpcCloseMemHandle(new Driver.Address(address)));
    }

    /** Bytes from this address to the end of its block, whoever allocated that. */
    public long bytesFrom(long address) {
        bind();
        Driver.Address base = new Driver.Address();
        long[] bytes = new long[1];
        check("cuMemGetAddressRange", JCudaDriver.cuMemGetAddressRange(base, bytes, new Driver.Address(address)));
        return base.value() + bytes[0] - address;
    }

    /**
     * Page-locked host memory. Takes about a second per GiB: few and small ones, kept.
     *
     * @param bytes at most 1 GiB
     */
    public PinnedMemory pinned(long bytes) {
        if (bytes <= 0 || bytes > MAX_HOST) {
            throw new IllegalArgumentException("page-locked memory of " + bytes + " bytes; 1 to " + MAX_HOST);
        }
        bind();
        Driver.HostPointer pointer = new Driver.HostPointer();
        check("cuMemHostAlloc", JCudaDriver.cuMemHostAlloc(pointer, bytes, PORTABLE));
        return new PinnedMemory(this, pointer, MemorySegment.ofBuffer(pointer.getByteBuffer(0, bytes)));
    }

    /** Page-locks memory that is there, a mapping of shared memory for instance, until {@link #unregister}. */
    public void register(MemorySegment memory) {
        bind();
        check("cuMemHostRegister", JCudaDriver.cuMemHostRegister(new Driver.HostPointer(memory.address()),
                memory.byteSize(), PORTABLE));
    }

    public void unregister(MemorySegment memory) {
        bind();
        check("cuMemHostUnregister", JCudaDriver.cuMemHostUnregister(new Driver.HostPointer(memory.address())));
    }

    /** Lets go of the device. Memory of {@link #allocate} ends when nobody else in this process holds it. */
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            check("cuDevicePrimaryCtxRelease", JCudaDriver.cuDevicePrimaryCtxRelease(device));
        }
    }
}
