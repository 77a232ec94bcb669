package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaException;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * A GPU whose memory engines own and export by CUDA IPC; this process opens it, reads and fills it. Restores begin before
 * the engine has said where: a few chunks per worker are read ahead, then the workers wait. Mode {@code Ipc}.
 */
public final class IpcDevice extends GpuDevice<IpcDevice.IpcAllocation> {
    /** @param context closed with this device */
    public IpcDevice(CudaContext context) {
        super(context);
    }

    @Override
    public Memory mode() {
        return Memory.Ipc;
    }

    /** A place for memory that an engine will export: see {@link #bind}. */
    @Override
    public Allocation allocate(long bytes, BufferType type) {
        if (bytes < 0) {
            throw new IllegalArgumentException("an allocation of " + bytes + " bytes");
        }
        return opened(new IpcAllocation(this, nextId(), bytes, type));
    }

    /**
     * Says where an allocation lies.
     *
     * @param handle 64 bytes of the engine's; valid for as long as it is connected
     * @param offset within the exported block
     * @throws CudaException when the handle cannot be opened
     * @throws IllegalArgumentException when the range leaves the block, or the allocation has its place already
     */
    public void bind(Allocation allocation, byte[] handle, long offset) {
        if (!(allocation instanceof IpcAllocation ours) || ours.device != this) {
            throw new IllegalArgumentException("allocation " + allocation.id() + " belongs to another device");
        }
        long block = context().openIpcHandle(handle);
        try {
            long there = context().bytesFrom(block);
            if (offset < 0 || offset > there - ours.bytes()) {
                throw new IllegalArgumentException(ours.bytes() + " bytes at " + offset + " of a block of " + there);
            }
            ours.bind(block, offset);
        } catch (IllegalArgumentException | CudaException e) {
            context().closeIpcHandle(block);
            throw e;
        }
    }

    @Override
    public void engineGone() {
        open().forEach(IpcAllocation::abandon);
    }

    static final class IpcAllocation extends CudaRange {
        private final IpcDevice device;
        /** Copies hold it shared; whoever closes the mapping alone. */
        private final ReadWriteLock use = new ReentrantReadWriteLock();
        private long block;
        private long address;
        private boolean bound;
        private boolean lost;
        private boolean closed;

        IpcAllocation(IpcDevice device, int id, long bytes, BufferType type) {
            super(id, bytes, type);
            this.device = device;
        }

        synchronized void bind(long exported, long offset) {
            if (bound || lost) {
                throw new IllegalArgumentException("allocation " + id() + " has its place already, or is gone");
            }
            block = exported;
            address = exported + offset;
            bound = true;
            notifyAll();
        }

        @Override
        long enter() {
            use.readLock().lock();
            boolean entered = false;
            try {
                long place = place();
                entered = true;
                return place;
            } finally {
                if (!entered) {
                    use.readLock().unlock();
                }
            }
        }

        private synchronized long place() {
            while (!bound && !lost) {
                try {
                    wait();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    throw new AllocationLostException("interrupted while waiting for the engine's memory", e);
                }
            }
            if (lost) {
                throw new AllocationLostException("the engine that held allocation " + id() + " is gone");
            }
            return address;
        }

        @Override
        void leave() {
            use.readLock().unlock();
        }

        @Override
        boolean fresh() {
            return false;
        }

        @Override
        Object device() {
            return device;
        }

        @Override
        public int fd() {
            return NO_DESCRIPTOR;
        }

        @Override
        public synchronized void abandon() {
            lost = true;
            notifyAll();
        }

        @Override
        public void close() {
            abandon();
            use.writeLock().lock();
            try {
                if (closed) {
                    return;
                }
                closed = true;
                if (bound) {
                    device.context().closeIpcHandle(block);
                }
                device.released(this);
            } finally {
                use.writeLock().unlock();
            }
        }
    }
}
