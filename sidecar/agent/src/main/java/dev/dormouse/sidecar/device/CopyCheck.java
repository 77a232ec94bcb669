package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaStream;
import dev.dormouse.sidecar.cuda.PinnedMemory;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Random;

/** Whether a device keeps what it is given: a small allocation, a copy there and back (BR11). */
public final class CopyCheck {
    private static final int BYTES = 4 << 20;

    private CopyCheck() {}

    /** @throws IOException when other bytes come back */
    public static void run(DeviceMemory device) throws IOException {
        if (device instanceof IpcDevice ipc) {
            // Its allocations are the engine's, and there is none yet.
            run(ipc.context());
        } else {
            runByLane(device);
        }
    }

    private static void run(CudaContext context) throws IOException {
        byte[] bytes = bytes();
        long address = context.allocate(BYTES);
        try (CudaStream stream = new CudaStream(context); PinnedMemory slot = context.pinned(BYTES)) {
            slot.segment().copyFrom(MemorySegment.ofArray(bytes));
            stream.toDevice(address, slot.segment());
            stream.synchronize();
            slot.segment().fill((byte) 0);
            stream.toHost(slot.segment(), address);
            stream.synchronize();
            compare(slot.segment().asByteBuffer(), bytes);
        } finally {
            context.free(address);
        }
    }

    private static byte[] bytes() {
        byte[] bytes = new byte[BYTES];
        new Random(1).nextBytes(bytes);
        return bytes;
    }

    private static void runByLane(DeviceMemory device) throws IOException {
        byte[] bytes = bytes();
        try (Allocation allocation = device.allocate(BYTES, BufferType.Other);
                Lane lane = device.openLane(BYTES)) {
            lane.slot(allocation, 0, BYTES).asByteBuffer().put(bytes);
            lane.submit(() -> {
            });
            lane.drain();
            compare(lane.read(allocation, 0, BYTES).asByteBuffer(), bytes);
        }
    }

    private static void compare(ByteBuffer back, byte[] bytes) throws IOException {
        if (!back.equals(ByteBuffer.wrap(bytes))) {
            throw new IOException("the GPU brought back other bytes than it was given: drain this node");
        }
    }
}
