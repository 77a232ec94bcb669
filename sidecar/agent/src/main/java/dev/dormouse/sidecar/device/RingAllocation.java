package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;

/** Memory that an engine holds where this process cannot reach: a size and a number. */
final class RingAllocation implements Allocation {
    private final RingDevice device;
    private final int id;
    private final long bytes;
    private final BufferType type;
    private volatile boolean sealed;
    private volatile boolean abandoned;

    RingAllocation(RingDevice device, int id, long bytes, BufferType type) {
        this.device = device;
        this.id = id;
        this.bytes = bytes;
        this.type = type;
    }

    RingDevice device() {
        return device;
    }

    boolean sealed() {
        return sealed;
    }

    boolean abandoned() {
        return abandoned;
    }

    @Override
    public int id() {
        return id;
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public BufferType type() {
        return type;
    }

    @Override
    public int fd() {
        return NO_DESCRIPTOR;
    }

    @Override
    public void sealForOthers() {
        // The engine's own memory; its promise.
    }

    @Override
    public void seal() {
        sealed = true;
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
