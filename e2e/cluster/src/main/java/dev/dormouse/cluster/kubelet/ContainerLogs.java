package dev.dormouse.cluster.kubelet;

import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.util.Comparator;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Output of containers: {@code <namespace>_<pod>_<uid>/<container>/<restarts>.log}, and beside it {@code .end} once the
 * process has ended. The files are all there is, so reading needs nothing from the node. Not rotated; a container keeps
 * the logs of its last two runs.
 */
record ContainerLogs(Path folder) {
    private static final int LAST_LINES = 80;
    private static final int LAST_BYTES = 2048;

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

    /** The folder of the youngest pod of this name. */
    Optional<Path> newestPod(String namespace, String pod) throws IOException {
        if (!Files.isDirectory(folder)) {
            return Optional.empty();
        }
        try (Stream<Path> pods = Files.list(folder)) {
            return pods.filter(p -> p.getFileName().toString().startsWith(namespace + "_" + pod + "_"))
                    .max(Comparator.comparing(p -> p.toFile().lastModified()));
        }
    }

    /** The log of a container's present or last run, or of the run before that. */
    static Optional<Path> find(Path podFolder, String container, boolean previous) throws IOException {
        Path runs = podFolder.resolve(container);
        if (!Files.isDirectory(runs)) {
            return Optional.empty();
        }
        try (Stream<Path> files = Files.list(runs)) {
            return files.filter(f -> f.toString().endsWith(".log"))
                    .sorted(Comparator.comparingInt(ContainerLogs::number).reversed())
                    .skip(previous ? 1 : 0)
                    .findFirst();
        }
    }

    /** Where the last so many lines begin, in bytes. */
    static long startOfLast(long lines, Path log) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(log.toFile(), "r")) {
            long at = file.length();
            byte[] block = new byte[8192];
            long seen = 0;
            for (long end = at; end > 0; end -= block.length) {
                long start = Math.max(0, end - block.length);
                int length = Math.toIntExact(end - start);
                file.seek(start);
                file.readFully(block, 0, length);
                for (int i = length - 1; i >= 0; i--) {
                    // The newline that ends the file ends its last line and does not begin another.
                    if (block[i] == '\n' && start + i < at - 1 && ++seen == lines) {
                        return start + i + 1;
                    }
                }
            }
            return lines == 0 ? at : 0;
        }
    }

    /** What a kubelet takes as a termination message when a container wrote none: its last 80 lines, of 2 KiB at most. */
    static String lastWords(Path log) throws IOException {
        long from = Math.max(startOfLast(LAST_LINES, log), Files.size(log) - LAST_BYTES);
        try (InputStream end = open(log, Math.max(0, from))) {
            return new String(end.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    /** The log from a byte on; reading waits for more until the container ends. Closing it ends a waiting read. */
    static InputStream follow(Path log, long from) throws IOException {
        WatchService watch = FileSystems.getDefault().newWatchService();
        Path folder = Objects.requireNonNull(log.getParent(), "a log lies in a folder");
        folder.register(watch, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_MODIFY,
                StandardWatchEventKinds.ENTRY_DELETE);
        return new Follower(log, open(log, from), watch);
    }

    /** The log from a byte on, as far as it goes now. */
    static InputStream open(Path log, long from) throws IOException {
        InputStream file = Files.newInputStream(log);
        file.skipNBytes(from);
        return file;
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
