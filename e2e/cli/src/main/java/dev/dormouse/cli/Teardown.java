package dev.dormouse.cli;

import dev.dormouse.cli.local.LocalCluster;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Ends the local cluster exactly once: when the command is done, or when Ctrl-C or SIGTERM ends the JVM first. */
final class Teardown implements AutoCloseable {
    private final Thread hook = new Thread(this::end, "teardown");
    private @Nullable LocalCluster cluster;
    private @Nullable Path folder;

    Teardown() {
        Runtime.getRuntime().addShutdownHook(hook);
    }

    synchronized LocalCluster owns(LocalCluster started, Path state) {
        cluster = started;
        folder = state;
        return started;
    }

    private synchronized void end() {
        if (cluster != null) {
            cluster.close();
            cluster = null;
        }
        if (folder != null) {
            try {
                Files.deleteIfExists(folder);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            folder = null;
        }
    }

    @Override
    public void close() {
        end();
    }
}
