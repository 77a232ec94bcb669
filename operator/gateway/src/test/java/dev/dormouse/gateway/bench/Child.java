package dev.dormouse.gateway.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A part of {@link GatewayBench} as a process of its own, so that it can be killed and its memory is its own. */
final class Child implements AutoCloseable {
    private static final int LAST_SECONDS = 60;

    private final Process process;
    private final List<Integer> ports = new ArrayList<>();

    private Child(Process process, BufferedReader output) throws IOException {
        this.process = process;
        String line = output.readLine();
        while (line != null && !line.startsWith("ready ")) {
            line = output.readLine();
        }
        if (line == null) {
            throw new IOException("the process ended before it was ready");
        }
        for (String port : line.substring("ready ".length()).split(" ")) {
            ports.add(Integer.parseInt(port));
        }
    }

    static Child start(List<String> flags, String... arguments) throws IOException {
        List<String> command = new ArrayList<>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                        "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"));
        command.addAll(flags);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), GatewayBench.class.getName()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        return new Child(process,
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8)));
    }

    static Child engine() throws IOException {
        return start(List.of("-Xmx64m"), "engine", "0");
    }

    /** @param wakeMillis 0 for a model that is awake */
    static Child gateway(int enginePort, int wakeMillis, String... flags) throws IOException {
        return start(List.of(flags), "serve", Integer.toString(enginePort), "0", Integer.toString(wakeMillis));
    }

    int port() {
        return ports.getFirst();
    }

    int internalPort() {
        return ports.get(1);
    }

    /** SIGTERM; answers whether it has ended by itself. */
    boolean end() throws InterruptedException {
        process.destroy();
        return process.waitFor(LAST_SECONDS, TimeUnit.SECONDS);
    }

    /** SIGKILL. */
    @Override
    public void close() {
        process.destroyForcibly().onExit().join();
    }
}
