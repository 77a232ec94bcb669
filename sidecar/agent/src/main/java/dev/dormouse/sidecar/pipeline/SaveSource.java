package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.device.Allocation;
import dev.dormouse.sidecar.format.ElementWidth;
import java.nio.channels.FileChannel;

/** One extent to be saved. */
public sealed interface SaveSource {
    long length();

    /** Bytes of one element; 1 when they are of several kinds. */
    int elementWidth();

    record OfAllocation(Allocation allocation, int elementWidth) implements SaveSource {
        @Override
        public long length() {
            return allocation.bytes();
        }
    }

    /** @param length bytes to save; the file must keep them while it is read */
    record OfFile(String name, FileChannel channel, long length) implements SaveSource {
        @Override
        public int elementWidth() {
            return ElementWidth.BYTES;
        }
    }
}
