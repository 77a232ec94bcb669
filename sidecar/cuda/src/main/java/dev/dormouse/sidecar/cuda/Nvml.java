package dev.dormouse.sidecar.cuda;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;

/**
 * The figures of one GPU, from NVIDIA's management library where the container has it. A figure that a device does not
 * have (a fan, the memory's temperature) is left out. Thread-safe.
 */
public final class Nvml implements AutoCloseable {
    /** Path of another libnvidia-ml.so.1 than the system's. */
    private static final String PATH = "dormouse.nvml.library";
    private static final int GPU_SENSOR = 0;
    private static final int MEMORY_TEMPERATURE = 82;
    /** nvmlFieldValue_t: field, scope, time stamp, latency, type, result, value. */
    private static final long FIELD_BYTES = 40;
    private static final long FIELD_RESULT = 28;
    private static final long FIELD_VALUE = 32;
    /** NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE. */
    private static final int VERSION_BYTES = 80;

    private final Arena arena = Arena.ofShared();
    private final MemorySegment device;
    private final MethodHandle temperature;
    private final MethodHandle utilization;
    private final MethodHandle memory;
    private final MethodHandle fan;
    private final MethodHandle power;
    private final MethodHandle fields;
    private final MethodHandle shutdown;
    private final String driver;

    private Nvml(SymbolLookup library, String uuid) throws Throwable {
        this.temperature = call(library, "nvmlDeviceGetTemperature", ADDRESS, JAVA_INT, ADDRESS);
        this.utilization = call(library, "nvmlDeviceGetUtilizationRates", ADDRESS, ADDRESS);
        this.memory = call(library, "nvmlDeviceGetMemoryInfo", ADDRESS, ADDRESS);
        this.fan = call(library, "nvmlDeviceGetFanSpeed", ADDRESS, ADDRESS);
        this.power = call(library, "nvmlDeviceGetPowerUsage", ADDRESS, ADDRESS);
        this.fields = call(library, "nvmlDeviceGetFieldValues", ADDRESS, JAVA_INT, ADDRESS);
        this.shutdown = call(library, "nvmlShutdown");
        int begun = (int) call(library, "nvmlInit_v2").invokeExact();
        if (begun != 0) {
            throw new IllegalArgumentException("nvmlInit: " + begun);
        }
        MemorySegment handle = arena.allocate(ADDRESS);
        int found = (int) call(library, "nvmlDeviceGetHandleByUUID", ADDRESS, ADDRESS)
                .invokeExact(arena.allocateFrom(uuid), handle);
        if (found != 0) {
            throw new IllegalArgumentException("nvmlDeviceGetHandleByUUID: " + found);
        }
        this.device = handle.get(ADDRESS, 0);
        MemorySegment version = arena.allocate(VERSION_BYTES);
        int said = (int) call(library, "nvmlSystemGetDriverVersion", ADDRESS, JAVA_INT)
                .invokeExact(version, VERSION_BYTES);
        this.driver = said == 0 ? version.getString(0) : "";
    }

    /** @return empty where there is no such library, or it does not know the device */
    public static Optional<Nvml> open(String uuid) {
        try {
            String library = System.getProperty(PATH, "libnvidia-ml.so.1");
            return Optional.of(new Nvml(SymbolLookup.libraryLookup(library, Arena.global()), uuid));
        } catch (Throwable e) {
            // Figures are a convenience: a container without them works as well.
            System.getLogger(Nvml.class.getName())
                    .log(System.Logger.Level.INFO, "no figures of " + uuid + " from NVML: " + e.getMessage());
            return Optional.empty();
        }
    }

    private static MethodHandle call(SymbolLookup library, String name, MemoryLayout... arguments) {
        return Linker.nativeLinker()
                .downcallHandle(library.findOrThrow(name),
                        FunctionDescriptor.of(JAVA_INT, arguments));
    }

    /** Version of NVIDIA's driver, 580.65.06 and the like; empty when it does not say. */
    public String driver() {
        return driver;
    }

    /** What there is of them now. */
    public Map<GpuFigure, Double> figures() {
        Map<GpuFigure, Double> figures = new EnumMap<>(GpuFigure.class);
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment out = scratch.allocate(FIELD_BYTES, 8);
            if ((int) temperature.invokeExact(device, GPU_SENSOR, out) == 0) {
                figures.put(GpuFigure.Temperature, (double) out.get(JAVA_INT, 0));
            }
            if ((int) utilization.invokeExact(device, out) == 0) {
                figures.put(GpuFigure.Utilization, (double) out.get(JAVA_INT, 0));
                figures.put(GpuFigure.MemoryUtilization, (double) out.get(JAVA_INT, 4));
            }
            if ((int) memory.invokeExact(device, out) == 0) {
                figures.put(GpuFigure.MemoryTotal, (double) out.get(JAVA_LONG, 0));
                figures.put(GpuFigure.MemoryUsed, (double) out.get(JAVA_LONG, 16));
            }
            if ((int) fan.invokeExact(device, out) == 0) {
                figures.put(GpuFigure.Fan, (double) out.get(JAVA_INT, 0));
            }
            if ((int) power.invokeExact(device, out) == 0) {
                figures.put(GpuFigure.Power, out.get(JAVA_INT, 0) / 1e3);
            }
            out.fill((byte) 0);
            out.set(JAVA_INT, 0, MEMORY_TEMPERATURE);
            if ((int) fields.invokeExact(device, 1, out) == 0 && out.get(JAVA_INT, FIELD_RESULT) == 0) {
                figures.put(GpuFigure.MemoryTemperature, (double) out.get(JAVA_INT, FIELD_VALUE));
            }
        } catch (Throwable e) {
            throw new IllegalStateException("NVML cannot be called", e);
        }
        return Collections.unmodifiableMap(figures);
    }

    @Override
    public void close() {
        try {
            int ignored = (int) shutdown.invokeExact();
        } catch (Throwable e) {
            throw new IllegalStateException("NVML cannot be called", e);
        }
        arena.close();
    }
}
