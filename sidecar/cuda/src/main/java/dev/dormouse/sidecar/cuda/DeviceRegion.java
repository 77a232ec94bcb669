package dev.dormouse.sidecar.cuda;

/**
 * One allocation in device memory, as this engine sees it.
 *
 * @param id what {@code BufferMeta.allocation} refers to
 * @param address of its first byte, on the device; the same before and after a commit
 * @param bytes of it
 */
public record DeviceRegion(int id, long address, long bytes) {}
