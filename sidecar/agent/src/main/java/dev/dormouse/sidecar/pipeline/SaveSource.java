package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.device.Allocation;
import java.nio.channels.FileChannel;

/** One extent to be saved. */
public sealed interface SaveSource {
    long length();

    record OfAllocation(Allocation allocation) implements SaveSource {
        @Override
        public long length() {
            return allocation.bytes();
        }
    }

    /** @param length bytes to save; the file must keep them while it is read */
    record OfFile(String name, FileChannel channel, long length) implements SaveSource {}
}
