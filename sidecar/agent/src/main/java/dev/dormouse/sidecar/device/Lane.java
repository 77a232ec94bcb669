package dev.dormouse.sidecar.device;

import java.lang.foreign.MemorySegment;

/**
 * One worker's way to and from a device. Copies may be asynchronous: a device that needs staging has a few pinned slots
 * per lane and a stream of its own; a device in host memory hands out the destination itself and copies nothing. Belongs
 * to the thread that opened it.
 */
public interface Lane extends AutoCloseable {
    /**
     * Memory in which to prepare the bytes of {@code [offset, offset + length)} of {@code target}. Waits while all slots
     * are on their way. Whatever is written may show in the target before {@link #submit}.
     */
    MemorySegment slot(Allocation target, long offset, int length);

    /**
     * Sends the slot handed out last.
     *
     * @param landed runs on this thread once the bytes are in device memory: at once or during a later call
     */
    void submit(Runnable landed);

    /** Makes a range read as zero that has not been written since it was allocated. */
    void zero(Allocation target, long offset, int length, Runnable landed);

    /** The bytes of a range, to read until the next call of this lane. */
    MemorySegment read(Allocation source, long offset, int length);

    /** Waits until all that was submitted has landed. */
    void drain();

    /** Waits until nothing is in flight, then frees the slots. */
    @Override
    void close();
}
