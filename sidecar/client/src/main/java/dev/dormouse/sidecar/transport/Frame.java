package dev.dormouse.sidecar.transport;

import dev.dormouse.sidecar.api.EngineMessage;
import java.io.IOException;
import java.util.List;

/** A message and the descriptors that came with it; whoever received the frame closes them. */
public record Frame(EngineMessage message, List<Integer> descriptors) {

    public Frame {
        descriptors = List.copyOf(descriptors);
    }

    /** Gives up the descriptors of a frame that nobody wants. */
    public void closeDescriptors() throws IOException {
        for (int fd : descriptors) {
            Libc.close(fd);
        }
    }
}
