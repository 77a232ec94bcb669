package dev.dormouse.gpu;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaStream;
import dev.dormouse.sidecar.cuda.PinnedMemory;
import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.device.DeviceMemory;
import dev.dormouse.sidecar.device.Lane;
import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.zip.CRC32C;

/** Bytes that look like weights: they do not compress, no page is like another, and their checksum is known. */
final class Weights {
    private static final int BLOCK = 16 << 20;
    private static final int PAGE = 4096;

    private Weights() {}

    /** Fills an allocation and answers the CRC32C of what it holds then. */
    static long fill(DeviceMemory device, Allocation allocation) {
        byte[] bytes = new byte[BLOCK];
        new Random(20_261_121).nextBytes(bytes);
        MemorySegment pattern = MemorySegment.ofArray(bytes);
        CRC32C crc = new CRC32C();
        try (Lane lane = device.openLane(BLOCK)) {
            for (long at = 0; at < allocation.bytes(); at += BLOCK) {
                int length = (int) Math.min(BLOCK, allocation.bytes() - at);
                MemorySegment block = lane.slot(allocation, at, length);
                block.copyFrom(pattern.asSlice(0, length));
                for (long page = 0; page + Long.BYTES <= length; page += PAGE) {
                    block.set(JAVA_LONG, page, (long) allocation.id() << 48 | at + page);
                }
                crc.update(block.asByteBuffer());
                lane.submit(() -> {
                });
            }
            lane.drain();
        }
        return crc.getValue();
    }

    /** The CRC32C of device memory. */
    static long crc(CudaContext context, long address, long bytes) {
        CRC32C crc = new CRC32C();
        try (PinnedMemory host = context.pinned(BLOCK); CudaStream stream = new CudaStream(context)) {
            for (long at = 0; at < bytes; at += BLOCK) {
                MemorySegment block = host.segment().asSlice(0, Math.min(BLOCK, bytes - at));
                stream.toHost(block, address + at);
                stream.synchronize();
                crc.update(block.asByteBuffer());
            }
        }
        return crc.getValue();
    }
}
