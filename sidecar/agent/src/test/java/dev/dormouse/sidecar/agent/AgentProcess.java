package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
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
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        ProcessBuilder builder = new ProcessBuilder(java(AgentMain.class));
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

    /** The command of a JVM like this one, driver included. */
    static List<String> java(Class<?> main) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow", "-Xmx256m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Djava.library.path=" + System.getProperty("java.library.path"), "-cp",
                System.getProperty("java.class.path")));
        for (String library : List.of("dormouse.cuda.driver", "dormouse.nvml.library")) {
            if (System.getProperty(library) != null) {
                command.add("-D" + library + "=" + System.getProperty(library));
            }
        }
        command.add(main.getName());
        return command;
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
        try (var body = URI.create("http://127.0.0.1:" + httpPort + "/metrics").toURL().openStream()) {
            return new String(body.readAllBytes(), UTF_8);
        }
    }

    /** SIGTERM. */
    void terminate() {
        process.destroy();
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
