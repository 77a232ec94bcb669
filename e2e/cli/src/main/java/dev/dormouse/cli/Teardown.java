package dev.dormouse.cli;

import dev.dormouse.cli.local.LocalCluster;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Ends what a command started, in reverse order and exactly once: when the command is done, or when Ctrl-C or SIGTERM ends
 * the JVM first.
 */
final class Teardown implements AutoCloseable {
    private final Thread hook = new Thread(this::end, "teardown");
    private final Deque<AutoCloseable> owned = new ArrayDeque<>();

    Teardown() {
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /** @param state the temporary folder around the cluster's own */
    synchronized LocalCluster owns(LocalCluster started, Path state) {
        owned.push(() -> Files.deleteIfExists(state));
        return owns(started);
    }

    synchronized <T extends AutoCloseable> T owns(T started) {
        owned.push(started);
        return started;
    }

    private synchronized void end() {
        RuntimeException failure = null;
        while (!owned.isEmpty()) {
            try {
                owned.pop().close();
            } catch (Exception e) {
                if (failure == null) {
                    failure = new IllegalStateException("not everything ended cleanly: " + e.getMessage(), e);
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public void close() {
        end();
    }
}
