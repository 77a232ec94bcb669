package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A sidecar in a process of its own, configured by its environment like in a pod. */
final class AgentProcess implements AutoCloseable {
    private final Process process;
    private final Path log;
    private final int httpPort;

    private AgentProcess(Process process, Path log, int httpPort) {
        this.process = process;
        this.log = log;
        this.httpPort = httpPort;
    }

    static AgentProcess start(Sidecars pod, Map<String, String> more) throws IOException {
        return start(pod, more, JvmCommand.LIKE_THIS);
    }

    static AgentProcess start(Sidecars pod, Map<String, String> more, JvmCommand command) throws IOException {
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        ProcessBuilder builder = new ProcessBuilder(command.of(AgentMain.class));
        builder.environment().keySet().removeIf(key -> key.startsWith("DORMOUSE_"));
        builder.environment()
                .putAll(Map.of("POD_IP", "127.0.0.1", "POD_UID", "uid-1", "DORMOUSE_MODEL", "ns/m",
                        "DORMOUSE_SOCKET", pod.socket().toString(), "DORMOUSE_VOLUME", pod.volume().toString(),
                        "DORMOUSE_SNAPSHOT_KEY", Sidecars.KEY, "DORMOUSE_HTTP_PORT", Integer.toString(port),
                        "DORMOUSE_ENGINE_PORT", Integer.toString(pod.enginePort())));
        builder.environment().putAll(more);
        Path log = Files.createTempFile(pod.folder(), "agent", ".log");
        return new AgentProcess(builder.redirectErrorStream(true).redirectOutput(log.toFile()).start(), log, port);
    }

    long pid() {
        return process.pid();
    }

    /** What it says now; fails while it does not listen yet. */
    SidecarStatus status() throws IOException {
        try (var body = URI.create("http://127.0.0.1:" + httpPort + "/status").toURL().openStream()) {
            return new ObjectMapper().readValue(new String(body.readAllBytes(), UTF_8), SidecarStatus.class);
        }
    }

    String metrics() throws IOException {
        return get("/metrics");
    }

    String get(String path) throws IOException {
        try (var body = URI.create("http://127.0.0.1:" + httpPort + path).toURL().openStream()) {
            return new String(body.readAllBytes(), UTF_8);
        }
    }

    /** SIGTERM, and waits for its end. */
    void terminate() throws InterruptedException {
        process.destroy();
        exitCode();
    }

    /** SIGKILL. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    int exitCode() throws InterruptedException {
        if (!process.waitFor(60, TimeUnit.SECONDS)) {
            throw new AssertionError("the sidecar does not end");
        }
        return process.exitValue();
    }

    String output() throws IOException {
        return Files.readString(log);
    }

    @Override
    public void close() throws InterruptedException {
        kill();
    }
}
