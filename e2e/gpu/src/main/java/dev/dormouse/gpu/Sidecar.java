package dev.dormouse.gpu;

import dev.dormouse.sidecar.api.EngineMessage.Memory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The product's own sidecar in a process of its own, over a volume with a snapshot. */
final class Sidecar implements AutoCloseable {
    private static final String MAIN = "dev.dormouse.sidecar.agent.AgentMain";

    private final Child process;
    private final Path socket;

    private Sidecar(Child process, Path socket) {
        this.process = process;
        this.socket = socket;
    }

    static Sidecar start(Memory memory, SampleSnapshot snapshot, Path folder) throws IOException {
        Path socket = folder.resolve("engine.sock");
        Files.deleteIfExists(socket);
        return new Sidecar(Child.start(MAIN,
                Map.of("POD_IP", "127.0.0.1", "POD_UID", "gpu-run", "DORMOUSE_MODEL", "gpu/run", "DORMOUSE_HTTP_PORT",
                        "0", "DORMOUSE_SOCKET", socket.toString(), "DORMOUSE_VOLUME", snapshot.volume().toString(),
                        "DORMOUSE_SNAPSHOT_KEY", SampleSnapshot.KEY, "DORMOUSE_DEVICE", memory.name()),
                folder.resolve("sidecar.log"), List.of()), socket);
    }

    Path socket() {
        return socket;
    }

    /** SIGKILL. */
    @Override
    public void close() {
        process.close();
    }
}
