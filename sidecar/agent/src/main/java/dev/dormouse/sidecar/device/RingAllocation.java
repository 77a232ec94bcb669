package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;

/** Memory that an engine holds where this process cannot reach: a size and a number. */
final class RingAllocation extends DeviceAllocation {
    private final RingDevice device;
    private volatile boolean abandoned;

    RingAllocation(RingDevice device, int id, long bytes, BufferType type) {
        super(id, bytes, type);
        this.device = device;
    }

    RingDevice device() {
        return device;
    }

    boolean abandoned() {
        return abandoned;
    }

    @Override
    public int fd() {
        return NO_DESCRIPTOR;
    }

    @Override
    public void abandon() {
        abandoned = true;
        device.abandoned(this);
    }

    @Override
    public void close() {
        abandon();
        device.released(this);
    }
}
