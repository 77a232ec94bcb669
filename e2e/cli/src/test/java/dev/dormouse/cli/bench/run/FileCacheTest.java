package dev.dormouse.cli.bench.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FileCacheTest {
    @TempDir
    Path folder;

    @Test
    @DisplayName("R29: what is resident is known, and can be dropped")
    void knowsAndDropsThePageCache() throws Exception {
        Path file = folder.resolve("weights");
        byte[] bytes = new byte[8 << 20];
        new Random(1).nextBytes(bytes);
        Files.write(file, bytes);
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.force(true);
        }
        assumeTrue(FileCache.share(folder).isPresent(), "fincore of util-linux is not here");
        assumeTrue(onDisk(), "this temporary folder is memory: there is nothing to drop to");
        assertThat(FileCache.share(folder).getAsDouble()).isGreaterThan(0.95);

        FileCache.drop(folder);

        assertThat(FileCache.share(folder).getAsDouble()).isLessThan(0.05);
        assertThat(Files.readAllBytes(file)).isEqualTo(bytes);
    }

    @Test
    void nothingIsSaidOfNoFiles() throws Exception {
        assertThat(FileCache.share(folder)).isEmpty();
    }

    private boolean onDisk() throws IOException {
        return !Files.getFileStore(folder).type().matches("tmpfs|ramfs|overlay");
    }
}
