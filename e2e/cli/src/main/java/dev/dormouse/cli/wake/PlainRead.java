package dev.dormouse.cli.wake;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** The limit of a start from here: reading files without any work on them. */
public final class PlainRead {
    private static final int READS = 5;
    private static final int BLOCK = 4 << 20;

    private PlainRead() {}

    /**
     * The median of five passes over the packs below a folder, in bytes per second.
     *
     * @throws IOException when there is no pack
     */
    public static double rate(Path volume) throws IOException {
        double[] rates = new double[READS];
        for (int i = 0; i < READS; i++) {
            rates[i] = once(volume, ".pack");
        }
        Arrays.sort(rates);
        return rates[READS / 2];
    }

    /** One pass over the files with this ending, in bytes per second. */
    public static double once(Path folder, String ending) throws IOException {
        List<Path> files = files(folder, ending);
        ByteBuffer buffer = ByteBuffer.allocateDirect(BLOCK);
        long bytes = 0;
        long start = System.nanoTime();
        for (Path file : files) {
            try (FileChannel channel = FileChannel.open(file)) {
                for (int read; (read = channel.read(buffer.clear())) >= 0;) {
                    bytes += read;
                }
            }
        }
        return bytes * 1e9 / (System.nanoTime() - start);
    }

    /** Bytes of the files with this ending. */
    public static long bytes(Path folder, String ending) throws IOException {
        long bytes = 0;
        for (Path file : files(folder, ending)) {
            bytes += Files.size(file);
        }
        return bytes;
    }

    private static List<Path> files(Path folder, String ending) throws IOException {
        try (Stream<Path> files = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
            List<Path> found = files.filter(file -> Files.isRegularFile(file) && file.toString().endsWith(ending))
                    .toList();
            if (found.isEmpty()) {
                throw new IOException("no *" + ending + " lies below " + folder
                        + (ending.equals(".pack") ? ": no snapshot was saved" : ""));
            }
            return found;
        }
    }
}
