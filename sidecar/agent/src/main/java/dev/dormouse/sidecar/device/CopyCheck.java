package dev.dormouse.sidecar.device;

import dev.dormouse.sidecar.api.BufferType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Random;

/** Whether a device keeps what it is given: a small allocation, a copy there and back (BR11). */
public final class CopyCheck {
    private static final int BYTES = 4 << 20;

    private CopyCheck() {}

    /** @throws IOException when other bytes come back */
    public static void run(DeviceMemory device) throws IOException {
        byte[] bytes = new byte[BYTES];
        new Random(1).nextBytes(bytes);
        try (Allocation allocation = device.allocate(BYTES, BufferType.Other);
                Lane lane = device.openLane(BYTES)) {
            lane.slot(allocation, 0, BYTES).asByteBuffer().put(bytes);
            lane.submit(() -> {
            });
            lane.drain();
            if (!lane.read(allocation, 0, BYTES).asByteBuffer().equals(ByteBuffer.wrap(bytes))) {
                throw new IOException("the GPU brought back other bytes than it was given: drain this node");
            }
        }
    }
}
