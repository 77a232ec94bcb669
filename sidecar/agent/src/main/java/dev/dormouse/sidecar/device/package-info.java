/**
 * Memory that the sidecar owns and lends to engines as file descriptors. {@link dev.dormouse.sidecar.device.DeviceMemory}
 * is the port, {@link dev.dormouse.sidecar.device.HostDevice} stands in where there is no GPU.
 */
@NullMarked
package dev.dormouse.sidecar.device;

import org.jspecify.annotations.NullMarked;
