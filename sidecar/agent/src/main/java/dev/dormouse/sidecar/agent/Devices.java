package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.agent.AgentConfig.DeviceSettings;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaUnavailableException;
import dev.dormouse.sidecar.device.CudaDevice;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.HostDevice;
import dev.dormouse.sidecar.device.IpcDevice;
import dev.dormouse.sidecar.device.RingDevice;
import dev.dormouse.sidecar.host.HostFiles;
import java.io.IOException;

/** Opens the device a sidecar is configured for. Without a GPU in it, no class that knows of CUDA is loaded. */
final class Devices {
    private static final int SLOTS_PER_WORKER = 3;

    private Devices() {}

    /** @throws CudaUnavailableException with one line that says what to do */
    static DeviceMemory open(DeviceSettings settings) throws IOException, CudaUnavailableException {
        return switch (settings.memory()) {
            case Host -> new HostDevice(HostFiles.OF_THIS_CONTAINER.memoryLimitBytes());
            case Staged -> new RingDevice(SLOTS_PER_WORKER * Runtime.getRuntime().availableProcessors());
            case Owned -> new CudaDevice(CudaContext.open(settings.gpu()));
            case Ipc -> new IpcDevice(CudaContext.open(settings.gpu()));
        };
    }
}
