package dev.dormouse.cluster.kubelet;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Output of containers: {@code <namespace>_<pod>_<uid>/<container>/<restarts>.log}, and beside it {@code .end} once the
 * process has ended. The files are all there is, so reading needs nothing from the node. Not rotated; a container keeps
 * the logs of its last two runs.
 */
record ContainerLogs(Path folder) {
    Path podFolder(String namespace, String pod, String uid) {
        return folder.resolve(namespace + "_" + pod + "_" + uid);
    }

    /** Makes room for a new run and names its log. */
    static Path open(Path podFolder, String container, int restarts) throws IOException {
        Path folder = Files.createDirectories(podFolder.resolve(container));
        Files.deleteIfExists(file(folder, restarts - 2));
        Files.deleteIfExists(end(file(folder, restarts - 2)));
        return Files.createFile(file(folder, restarts));
    }

    /** Says that nothing more will come. */
    static void close(Path log) throws IOException {
        if (Files.exists(log) && !Files.exists(end(log))) {
            Files.createFile(end(log));
        }
    }

    private static Path file(Path folder, int restarts) {
        return folder.resolve(restarts + ".log");
    }

    private static Path end(Path log) {
        return log.resolveSibling(log.getFileName().toString().replace(".log", ".end"));
    }

    private static int number(Path log) {
        return Integer.parseInt(log.getFileName().toString().replace(".log", ""));
    }

    /** The log of a container's present or last run, or of the run before that. */
    Optional<Path> find(String namespace, String pod, String container, boolean previous) throws IOException {
        Optional<Path> newest = newestPod(namespace + "_" + pod + "_").map(p -> p.resolve(container))
                .filter(Files::isDirectory);
        if (newest.isEmpty()) {
            return Optional.empty();
        }
        try (Stream<Path> files = Files.list(newest.get())) {
            List<Path> logs = files.filter(f -> f.toString().endsWith(".log"))
                    .sorted(Comparator.comparingInt(ContainerLogs::number).reversed())
                    .toList();
            return logs.stream().skip(previous ? 1 : 0).findFirst();
        }
    }

    private Optional<Path> newestPod(String prefix) throws IOException {
        if (!Files.isDirectory(folder)) {
            return Optional.empty();
        }
        try (Stream<Path> pods = Files.list(folder)) {
            return pods.filter(p -> p.getFileName().toString().startsWith(prefix))
                    .max(Comparator.comparing(p -> p.toFile().lastModified()));
        }
    }

    /** The log from its start; reading waits for more until the container ends. Closing it ends a waiting read. */
    static InputStream follow(Path log) throws IOException {
        WatchService watch = FileSystems.getDefault().newWatchService();
        Path folder = Objects.requireNonNull(log.getParent(), "a log lies in a folder");
        folder.register(watch, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_MODIFY,
                StandardWatchEventKinds.ENTRY_DELETE);
        return new Follower(log, Files.newInputStream(log), watch);
    }

    private static final class Follower extends InputStream {
        private final Path log;
        private final InputStream file;
        private final WatchService watch;

        Follower(Path log, InputStream file, WatchService watch) {
            this.log = log;
            this.file = file;
            this.watch = watch;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] buffer, int offset, int length) throws IOException {
            while (true) {
                // Looked up before the read: what was written before the end is then always seen.
                boolean ended = Files.exists(end(log)) || !Files.exists(log);
                int count = file.read(buffer, offset, length);
                if (count >= 0 || ended) {
                    return count;
                }
                awaitChange();
            }
        }

        private void awaitChange() throws IOException {
            try {
                WatchKey key = watch.take();
                key.pollEvents();
                key.reset();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted while following " + log, e);
            } catch (java.nio.file.ClosedWatchServiceException e) {
                throw new IOException("closed while following " + log, e);
            }
        }

        @Override
        public void close() throws IOException {
            watch.close();
            file.close();
        }
    }
}
