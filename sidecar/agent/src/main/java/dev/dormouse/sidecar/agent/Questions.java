package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.transport.MessageChannel;
import java.io.IOException;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.locks.Lock;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;

/**
 * What this sidecar has asked of an engine that is ready, on one connection. The engine answers in order, so an answer
 * belongs to the oldest question without one. Asked by any thread, answered by the one that reads the connection.
 */
final class Questions {
    private final MessageChannel channel;
    private final Lock asking = new ReentrantLock();
    private final Queue<Consumer<EngineMessage>> open = new ConcurrentLinkedQueue<>();

    Questions(MessageChannel channel) {
        this.channel = channel;
    }

    /**
     * @param descriptors travel along and stay the caller's
     * @param answer gets it, unless the connection ends first
     */
    void ask(EngineMessage question, List<Integer> descriptors, Consumer<EngineMessage> answer) throws IOException {
        // What is sent second must be waited for second.
        asking.lock();
        try {
            open.add(answer);
            channel.send(question, descriptors);
        } finally {
            asking.unlock();
        }
    }

    /** The engine has answered; says whether anybody had asked. */
    boolean answered(EngineMessage answer) {
        Consumer<EngineMessage> oldest = open.poll();
        if (oldest == null) {
            return false;
        }
        oldest.accept(answer);
        return true;
    }
}
