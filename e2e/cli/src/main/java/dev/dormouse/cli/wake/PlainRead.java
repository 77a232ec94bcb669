package dev.dormouse.cli.wake;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/** The limit of a restore from here: reading a volume's packs without any work on them. */
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
        List<Path> packs;
        try (Stream<Path> files = Files.walk(volume)) {
            packs = files.filter(file -> file.toString().endsWith(".pack")).toList();
        }
        if (packs.isEmpty()) {
            throw new IOException("no pack lies below " + volume + ": no snapshot was saved");
        }
        double[] rates = new double[READS];
        ByteBuffer buffer = ByteBuffer.allocateDirect(BLOCK);
        for (int i = 0; i < READS; i++) {
            long bytes = 0;
            long start = System.nanoTime();
            for (Path pack : packs) {
                try (FileChannel channel = FileChannel.open(pack)) {
                    for (int read; (read = channel.read(buffer.clear())) >= 0;) {
                        bytes += read;
                    }
                }
            }
            rates[i] = bytes * 1e9 / (System.nanoTime() - start);
        }
        Arrays.sort(rates);
        return rates[READS / 2];
    }
}
