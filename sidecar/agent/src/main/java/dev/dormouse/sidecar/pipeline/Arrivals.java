package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.format.Fault;
import java.util.BitSet;
import org.jspecify.annotations.Nullable;

/** Which chunks are there, and who waits for which. One failure ends all waiting. Guarded by its monitor. */
final class Arrivals {
    private final BitSet landed;
    private @Nullable RestoreException failure;

    Arrivals(int chunks) {
        this.landed = new BitSet(chunks);
    }

    synchronized void landed(int chunk) {
        landed.set(chunk);
        notifyAll();
    }

    /** The first failure counts. */
    synchronized void failed(RestoreException cause) {
        if (failure == null) {
            failure = cause;
            notifyAll();
        }
    }

    synchronized @Nullable RestoreException failure() {
        return failure;
    }

    /** Waits for all chunks of the set. */
    synchronized void await(BitSet chunks) throws RestoreException, InterruptedException {
        for (int chunk = chunks.nextSetBit(0); chunk >= 0; chunk = chunks.nextSetBit(chunk + 1)) {
            while (failure == null && !landed.get(chunk)) {
                wait();
            }
        }
        if (failure != null) {
            Fault fault = failure.fault();
            throw new RestoreException(fault, String.valueOf(failure.getMessage()), failure);
        }
    }
}
