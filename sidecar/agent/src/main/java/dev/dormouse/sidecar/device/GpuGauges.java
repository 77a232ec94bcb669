package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.cuda.GpuFigure;
import dev.dormouse.sidecar.cuda.Nvml;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The figures of one GPU. The management library is loaded when somebody first asks: a wake does not wait for it. */
final class GpuGauges implements AutoCloseable {
    private final String uuid;
    private @Nullable Optional<Nvml> nvml;

    GpuGauges(String uuid) {
        this.uuid = uuid;
    }

    synchronized Map<GpuFigure, Double> now() {
        return library().map(Nvml::figures).orElse(Map.of());
    }

    /** Version of NVIDIA's driver; empty where nobody says it. */
    synchronized String driver() {
        return library().map(Nvml::driver).orElse("");
    }

    private Optional<Nvml> library() {
        if (nvml == null) {
            nvml = Nvml.open(uuid);
        }
        return nvml;
    }

    @Override
    public synchronized void close() {
        if (nvml != null) {
            nvml.ifPresent(Nvml::close);
            nvml = Optional.empty();
        }
    }
}
