package dev.dormouse.sidecar.device;

/**
 * A GPU that this process uses.
 *
 * @param uuid as nvidia-smi writes it
 * @param architecture {@code sm_90} and the like
 * @param driver version of NVIDIA's driver; empty where its management library is not there to say
 * @param cuda the newest that the driver speaks, as it says it: 12060 is 12.6
 */
public record Accelerator(String name, String uuid, String architecture, long memoryBytes, String driver, int cuda) {}
