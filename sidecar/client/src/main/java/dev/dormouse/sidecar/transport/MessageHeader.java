package dev.dormouse.sidecar.transport;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * {@code struct msghdr} with one {@code iovec} and room for one {@code SCM_RIGHTS} control message, as 64-bit Linux lays
 * them out: msghdr {name 8, namelen 4+4, iov 8, iovlen 8, control 8, controllen 8, flags 4+4}; cmsghdr {len 8, level 4,
 * type 4, data}.
 */
final class MessageHeader {
    private static final long SIZE = 56;
    private static final long IOV = 16;
    private static final long IOV_COUNT = 24;
    private static final long CONTROL = 32;
    private static final long CONTROL_LENGTH = 40;
    private static final long FLAGS = 48;
    private static final int CMSG_HEADER = 16;

    private final MemorySegment header;
    private final MemorySegment vector;
    private final MemorySegment control;

    /** @param descriptors how many descriptors there must be room for */
    MessageHeader(Arena arena, int descriptors) {
        header = arena.allocate(SIZE, 8);
        vector = arena.allocate(16, 8);
        control = arena.allocate(space(descriptors), 8);
        header.set(ADDRESS, IOV, vector);
        header.set(JAVA_LONG, IOV_COUNT, 1);
    }

    private static long space(int descriptors) {
        return CMSG_HEADER + (descriptors * 4L + 7) / 8 * 8;
    }

    MemorySegment segment() {
        return header;
    }

    MessageHeader bytes(MemorySegment data) {
        vector.set(ADDRESS, 0, data);
        vector.set(JAVA_LONG, 8, data.byteSize());
        return this;
    }

    /** For sending. */
    MessageHeader descriptors(List<Integer> descriptors) {
        if (descriptors.isEmpty()) {
            header.set(ADDRESS, CONTROL, MemorySegment.NULL);
            header.set(JAVA_LONG, CONTROL_LENGTH, 0);
            return this;
        }
        control.set(JAVA_LONG, 0, CMSG_HEADER + descriptors.size() * 4L);
        control.set(JAVA_INT, 8, Libc.SOL_SOCKET);
        control.set(JAVA_INT, 12, Libc.SCM_RIGHTS);
        for (int i = 0; i < descriptors.size(); i++) {
            control.set(JAVA_INT, CMSG_HEADER + i * 4L, descriptors.get(i));
        }
        header.set(ADDRESS, CONTROL, control);
        header.set(JAVA_LONG, CONTROL_LENGTH, space(descriptors.size()));
        return this;
    }

    /** For receiving. */
    MessageHeader roomForDescriptors() {
        header.set(ADDRESS, CONTROL, control);
        header.set(JAVA_LONG, CONTROL_LENGTH, control.byteSize());
        header.set(JAVA_INT, FLAGS, 0);
        return this;
    }

    boolean controlTruncated() {
        return (header.get(JAVA_INT, FLAGS) & Libc.MSG_CTRUNC) != 0;
    }

    List<Integer> receivedDescriptors() {
        List<Integer> descriptors = new ArrayList<>();
        long end = header.get(JAVA_LONG, CONTROL_LENGTH);
        long at = 0;
        while (at + CMSG_HEADER <= end) {
            long length = control.get(JAVA_LONG, at);
            boolean rights = control.get(JAVA_INT, at + 8) == Libc.SOL_SOCKET
                    && control.get(JAVA_INT, at + 12) == Libc.SCM_RIGHTS;
            for (long fd = at + CMSG_HEADER; rights && fd + 4 <= at + length; fd += 4) {
                descriptors.add(control.get(JAVA_INT, fd));
            }
            at += Math.max(CMSG_HEADER, (length + 7) / 8 * 8);
        }
        return descriptors;
    }
}
