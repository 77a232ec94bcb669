package dev.dormouse.sidecar.agent;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import dev.dormouse.sidecar.api.EngineMessage.Memory;
import dev.dormouse.sidecar.client.EngineConnection;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * An engine that holds its memory itself and says exactly what a test wants. Its weights are zeros: nothing has to be
 * copied to bring them.
 */
final class StagedEngine implements AutoCloseable {
    private static final int BYTES = 1 << 20;
    private static final EngineMessage.Hello HELLO = new EngineMessage.Hello(EngineMessage.PROTOCOL, "staged", "1.0",
            Map.of(), List.of(Memory.Staged));

    final EngineConnection connection;
    /** What the sidecar has asked since this engine serves, by the names of the messages. */
    final List<String> asked = new CopyOnWriteArrayList<>();

    private StagedEngine(EngineConnection connection) {
        this.connection = connection;
    }

    static StagedEngine connect(Sidecars pod) throws IOException {
        return new StagedEngine(EngineConnection.connect(pod.socket(), HELLO, Duration.ofSeconds(20)));
    }

    void commit() throws Exception {
        EngineMessage.Allocated memory = connection.expect(EngineMessage.Allocated.class,
                new EngineMessage.Alloc(BYTES, BufferType.Weights), List.of());
        connection.expect(EngineMessage.Done.class, new EngineMessage.PutMeta(List.of(new BufferMeta("w",
                memory.allocation(), 0, BYTES, BufferType.Weights, "u8", List.of((long) BYTES), false))), List.of());
        connection.expect(EngineMessage.Committed.class, new EngineMessage.Commit(), List.of());
    }

    void abort() throws Exception {
        connection.expect(EngineMessage.Done.class, new EngineMessage.Abort("on second thoughts"), List.of());
    }

    /** Ready, and answering what the sidecar asks with DONE or FILLED. */
    void serve(EngineMessage.Ready ready) throws Exception {
        serve(ready, answer -> answer);
    }

    /** @param otherwise makes another answer of the right one; null ends the connection instead */
    void serve(EngineMessage.Ready ready, UnaryOperator<@Nullable EngineMessage> otherwise) throws Exception {
        connection.expect(EngineMessage.Done.class, ready, List.of());
        Thread.ofPlatform().daemon().name("engine").start(() -> connection.serve(request -> {
            asked.add(request.message() instanceof EngineMessage.Fetch fetch && fetch.slots() == 0
                    ? "FetchEnd"
                    : request.message().getClass().getSimpleName());
            EngineMessage right = request.message() instanceof EngineMessage.Fetch fetch
                    ? new EngineMessage.Filled(fetch.pieces())
                    : new EngineMessage.Done();
            EngineMessage answer = otherwise.apply(right);
            if (answer == null) {
                connection.close();
                throw new IOException("gone");
            }
            return answer;
        }));
    }

    @Override
    public void close() {
        connection.leave();
        connection.close();
    }
}
