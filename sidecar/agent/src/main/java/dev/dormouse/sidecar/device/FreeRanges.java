package dev.dormouse.sidecar.device;

import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/** Which parts of an address range are free: first fit, neighbours joined. Thread-safe. */
final class FreeRanges {
    private final TreeMap<Long, Long> lengthByOffset = new TreeMap<>();

    FreeRanges(long bytes) {
        lengthByOffset.put(0L, bytes);
    }

    /** The offset of a range that is now taken; -1 when none is large enough. */
    synchronized long take(long bytes) {
        Optional<Map.Entry<Long, Long>> fitting = lengthByOffset.entrySet()
                .stream()
                .filter(range -> range.getValue() >= bytes)
                .findFirst();
        if (fitting.isEmpty()) {
            return -1;
        }
        long offset = fitting.get().getKey();
        long rest = fitting.get().getValue() - bytes;
        lengthByOffset.remove(offset);
        if (rest > 0) {
            lengthByOffset.put(offset + bytes, rest);
        }
        return offset;
    }

    synchronized void giveBack(long offset, long bytes) {
        long start = offset;
        long length = bytes;
        Map.Entry<Long, Long> before = lengthByOffset.floorEntry(offset);
        if (before != null && before.getKey() + before.getValue() == offset) {
            start = before.getKey();
            length += before.getValue();
        }
        Long after = lengthByOffset.remove(offset + bytes);
        if (after != null) {
            length += after;
        }
        lengthByOffset.put(start, length);
    }
}
