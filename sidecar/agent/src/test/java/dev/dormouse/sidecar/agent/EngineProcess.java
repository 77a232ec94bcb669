package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A {@link DeviceEngine} in a process of its own, and what it says. */
final class EngineProcess implements AutoCloseable {
    private final Process process;
    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
    private final List<String> all = new ArrayList<>();
    private volatile boolean killed;

    private EngineProcess(Process process) {
        this.process = process;
        Thread.ofPlatform().daemon().start(this::read);
    }

    /** @param keep whether it goes on with the weights it has when another sidecar comes */
    static EngineProcess start(Sidecars pod, long bytes, long seed, boolean keep, JvmCommand jvm) throws IOException {
        List<String> command = jvm.of(DeviceEngine.class);
        command.addAll(List.of(pod.socket().toString(), Integer.toString(pod.enginePort()), Long.toString(bytes),
                Long.toString(seed), Boolean.toString(keep)));
        return new EngineProcess(new ProcessBuilder(command).redirectErrorStream(true).start());
    }

    private void read() {
        try (var output = new BufferedReader(new InputStreamReader(process.getInputStream(), UTF_8))) {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                lines.add(line);
            }
        } catch (IOException e) {
            // Whoever kills a process closes its output too, at times before the end of it is read.
            if (!killed) {
                lines.add("End " + e.getMessage());
            }
        }
    }

    /** Waits for how it came by its weights: {@code Create}, {@code Attach} or {@code Keep}, and their checksum. */
    String weights() throws InterruptedException {
        while (true) {
            String line = lines.poll(90, TimeUnit.SECONDS);
            if (line == null) {
                throw new AssertionError("the engine hangs; it said " + all);
            }
            all.add(line);
            if (line.matches("(Create|Attach|Keep) .*")) {
                return line;
            }
            if (line.startsWith("End") || line.contains("Exception")) {
                throw new AssertionError("the engine failed; it said " + all + lines);
            }
        }
    }

    /** What it has said by now and nobody has waited for. */
    List<String> rest() {
        List<String> rest = new ArrayList<>();
        lines.drainTo(rest);
        all.addAll(rest);
        return rest;
    }

    long pid() {
        return process.pid();
    }

    /** SIGTERM, and waits for its end. */
    void terminate() throws InterruptedException {
        killed = true;
        process.destroy();
        if (!process.waitFor(60, TimeUnit.SECONDS)) {
            throw new AssertionError("the engine does not end; it said " + all + lines);
        }
    }

    /** SIGKILL. */
    void kill() throws InterruptedException {
        killed = true;
        process.destroyForcibly().waitFor();
    }

    @Override
    public void close() throws InterruptedException {
        kill();
    }
}
