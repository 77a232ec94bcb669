package dev.dormouse.sidecar.cuda;

/** A call of the driver that failed. The message names the call, the error, and what to do about it. */
public final class CudaException extends RuntimeException {
    public static final int INVALID_VALUE = 1;
    public static final int OUT_OF_MEMORY = 2;
    public static final int INVALID_CONTEXT = 201;
    public static final int NOT_READY = 600;
    public static final int ILLEGAL_ADDRESS = 700;
    public static final int NOT_SUPPORTED = 801;

    private static final long serialVersionUID = 1L;

    private final String call;
    private final int code;

    CudaException(String call, int code, String name) {
        super(call + ": " + name + " (" + code + ")" + advice(code));
        this.call = call;
        this.code = code;
    }

    /** The driver's function, e.g. {@code cuMemCreate}. */
    public String call() {
        return call;
    }

    /** A value of {@code CUresult}. */
    public int code() {
        return code;
    }

    /** Whether no call of this process will succeed any more: only another process can use the device. */
    public boolean contextLost() {
        return switch (code) {
            case ILLEGAL_ADDRESS, 4, 214, 215, 709, 710, 714, 715, 716, 717, 718, 719 -> true;
            default -> false;
        };
    }

    /** Empty, or a colon and what a person can do. */
    private static String advice(int code) {
        return switch (code) {
            case OUT_OF_MEMORY -> ": the GPU is full; nvidia-smi shows which processes hold its memory";
            case 3, 4 -> ": the driver has not been initialized, or is being unloaded; restart the container";
            case 34 -> ": this is the toolkit's stub of libcuda, not the driver; run with the NVIDIA container runtime";
            case 46 -> ": another process has the GPU for itself; set its compute mode to Default";
            case 100 -> ": the container sees no GPU; check its resource claim and the NVIDIA container runtime";
            case 101 -> ": the container sees fewer GPUs than that";
            case INVALID_CONTEXT -> ": no context is current on this thread, or the peer's process is in another PID"
                    + " namespace (Ipc needs shareProcessNamespace) or has ended";
            case 214, 215 -> ": the GPU has a hardware fault; nvidia-smi -q shows it, the node should be drained";
            case ILLEGAL_ADDRESS, 710, 716, 717, 718, 719 -> ": the context is lost, this process must restart";
            case 712 -> ": this host memory is page-locked already";
            case 304 -> ": the system limits page-locked memory; raise ulimit -l (memlock)";
            case NOT_SUPPORTED -> ": this device, driver or virtualization does not offer it";
            case 802, 803, 804 -> ": driver and libcuda do not fit each other; check the driver's version on the node";
            default -> "";
        };
    }
}
