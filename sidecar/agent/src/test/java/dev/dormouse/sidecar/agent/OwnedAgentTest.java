package dev.dormouse.sidecar.agent;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaUnavailableException;
import dev.dormouse.sidecar.device.CudaDevice;
import dev.dormouse.sidecar.device.DeviceMemory;
import org.junit.jupiter.api.parallel.ResourceLock;

/**
 * The life of a replica over memory of the CUDA driver, by the very tests that describe it over host memory. Their engine
 * maps descriptors as memory files, which only those of the stand-in are; {@link DeviceModesTest} has an engine for a GPU.
 */
@ResourceLock("the GPU of this process")
class OwnedAgentTest extends AgentTest {
    @Override
    DeviceMemory device() {
        try {
            CudaContext context = CudaContext.open(0);
            assumeTrue(context.name().equals("Dormouse stand-in"), "a real GPU; see DeviceModesTest");
            return new CudaDevice(context);
        } catch (CudaUnavailableException e) {
            assumeTrue(false, "neither a CUDA driver nor its stand-in (gcc): " + e.getMessage());
            throw new IllegalStateException(e);
        }
    }
}
