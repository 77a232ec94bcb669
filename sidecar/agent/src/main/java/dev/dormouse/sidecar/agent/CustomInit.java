package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.dormouse.sidecar.api.EngineMessage.Probe;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.WarmupPlan;
import dev.dormouse.sidecar.transport.MemoryFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** H27: the user's own step of a warmup, once the engine serves and before the first request. */
final class CustomInit {
    private static final int SHOWN = 300;

    private final WarmupPlan.@Nullable Hook hook;
    private final WarmupInference engine;
    private final Duration deadline;

    /** @param deadline of the whole warmup; a command that runs longer is killed */
    CustomInit(WarmupPlan.@Nullable Hook hook, WarmupInference engine, Duration deadline) {
        this.hook = hook;
        this.engine = engine;
        this.deadline = deadline;
    }

    PhaseTiming run() {
        if (hook == null) {
            return PhaseTiming.skipped(PhaseTiming.CUSTOM_INIT);
        }
        long start = System.nanoTime();
        try {
            if (hook.http() != null) {
                engine.send(WarmupRequest.of(new Probe(hook.http().path(), hook.http().body(), ""), 1));
            } else {
                execute(hook.exec() == null ? List.of() : hook.exec());
            }
            return PhaseTiming.done(PhaseTiming.CUSTOM_INIT, micros(start));
        } catch (IOException | RefusedException e) {
            return failed(start, String.valueOf(e.getMessage()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return failed(start, "interrupted");
        }
    }

    private void execute(List<String> command) throws IOException, InterruptedException {
        if (command.isEmpty()) {
            throw new IOException("warmup.customInit names neither a command nor a request");
        }
        // In memory: the container's file system may be read-only.
        try (MemoryFile file = MemoryFile.create("custom-init", 0)) {
            Path output = file.path();
            Process process = new ProcessBuilder(command).redirectErrorStream(true)
                    .redirectOutput(output.toFile())
                    .start();
            if (!process.waitFor(deadline.toMillis(), TimeUnit.MILLISECONDS)) {
                process.destroyForcibly();
                throw new IOException(command.getFirst() + " did not end within " + deadline.toSeconds() + " s");
            }
            if (process.exitValue() != 0) {
                throw new IOException(
                        command.getFirst() + " ended with status " + process.exitValue() + ": " + end(output));
            }
        }
    }

    private static String end(Path output) throws IOException {
        String text = new String(Files.readAllBytes(output), UTF_8).strip();
        return text.substring(Math.max(0, text.length() - SHOWN));
    }

    private static PhaseTiming failed(long start, String error) {
        return new PhaseTiming(PhaseTiming.CUSTOM_INIT, PhaseTiming.State.Failed, micros(start), error);
    }

    private static long micros(long start) {
        return (System.nanoTime() - start) / 1_000;
    }
}
