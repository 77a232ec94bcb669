package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.device.Allocation;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Memory with contents that an engine can attach to, owned by the sidecar: it outlives engines and ends with the
 * sidecar. Never changes its contents once they are there.
 */
sealed interface Generation extends AutoCloseable permits CommittedGeneration, RestoredGeneration {
    /** Code of the refusal to wait for a name that does not exist; it says nothing about the contents. */
    String UNKNOWN_NAME = "UnknownName";

    /**
     * An allocation or a file as it is handed over: {@code descriptor} stays the generation's, and is
     * {@link Allocation#NO_DESCRIPTOR} for memory that the engine holds.
     */
    record Part(String name, int id, long bytes, BufferType type, int descriptor) {
        static Part of(Allocation allocation) {
            return new Part("", allocation.id(), allocation.bytes(), allocation.type(), allocation.fd());
        }
    }

    /** Differs from that of every other generation of any sidecar. */
    String id();

    Map<String, String> compatibility();

    List<Part> allocations();

    List<BufferMeta> buffers();

    List<Part> files();

    /**
     * Waits for contents.
     *
     * @param name of a buffer or file; absent: all that are not optional
     * @throws RefusedException when the name is unknown, or the contents turn out damaged
     */
    void await(@Nullable String name) throws RefusedException, InterruptedException;

    /** Releases the sidecar's hold; an engine that has mapped the memory keeps what it has. */
    @Override
    void close();
}
