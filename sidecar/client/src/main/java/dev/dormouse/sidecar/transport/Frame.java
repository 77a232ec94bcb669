package dev.dormouse.sidecar.transport;

import dev.dormouse.sidecar.api.EngineMessage;
import java.util.List;

/** A received message with the descriptors that came with it; whoever receives it closes them. */
public record Frame(EngineMessage message, List<Descriptor> descriptors) implements AutoCloseable {
    public Frame {
        descriptors = List.copyOf(descriptors);
    }

    @Override
    public void close() {
        Descriptor.closeAll(descriptors);
    }
}
