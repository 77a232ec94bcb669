package dev.dormouse.sidecar.pipeline;

import dev.dormouse.sidecar.api.BufferType;
import java.util.EnumSet;
import java.util.Set;

/**
 * @param verification what is compared of each chunk (S6, S33)
 * @param workers threads, each with a chunk of memory; as many as cores, or twice as many on a network volume
 * @param types which allocations are restored (S21); files always are
 */
public record RestoreOptions(Verification verification, int workers, Set<BufferType> types) {
    public RestoreOptions {
        if (workers < 1) {
            throw new IllegalArgumentException("workers: " + workers + " is below 1");
        }
        types = Set.copyOf(types);
    }

    /** All types. */
    public RestoreOptions(Verification verification, int workers) {
        this(verification, workers, EnumSet.allOf(BufferType.class));
    }

    public static RestoreOptions verified() {
        return of(Verification.Crc);
    }

    public static RestoreOptions of(Verification verification) {
        return new RestoreOptions(verification, Runtime.getRuntime().availableProcessors());
    }

    public RestoreOptions with(Set<BufferType> other) {
        return new RestoreOptions(verification, workers, other);
    }

    public RestoreOptions with(Verification other) {
        return new RestoreOptions(other, workers, types);
    }
}
