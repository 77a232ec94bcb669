package dev.dormouse.cluster.kubelet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SwappedFolderTest {
    @TempDir
    private Path parent;

    private static VolumeFiles.File file(String text, int mode) {
        return new VolumeFiles.File(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)), mode);
    }

    @Test
    void namesAreLinksThroughOneLinkAndWhatIsNoLongerThereGoes() throws Exception {
        SwappedFolder folder = new SwappedFolder(parent.resolve("v"));

        folder.replace(Map.of("a", file("1", 0644), "deep/er/b", file("2", 0400), "gone", file("3", 0644)));
        folder.replace(Map.of("a", file("one", 0644), "deep/er/b", file("two", 0400), "c", file("three", 0600)));

        assertThat(folder.folder().resolve("a")).isSymbolicLink().hasContent("one");
        assertThat(folder.folder().resolve("deep/er/b")).hasContent("two");
        assertThat(folder.folder().resolve("c")).hasContent("three");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(folder.folder().resolve("deep/er/b"))))
                .isEqualTo("r--------");
        assertThat(Files.readSymbolicLink(folder.folder().resolve("a"))).isEqualTo(Path.of("..data", "a"));
        try (Stream<Path> left = Files.list(folder.folder())) {
            assertThat(left.map(path -> path.getFileName().toString()).filter(name -> !name.matches("\\.\\.\\d+")))
                    .containsExactlyInAnyOrder("..data", "a", "c", "deep");
        }
    }

    @Test
    void aReaderThatResolvesTheFolderOnceSeesOneVersionOfAllFiles() throws Exception {
        SwappedFolder folder = new SwappedFolder(parent.resolve("v"));
        folder.replace(Map.of("x", file("0", 0644), "y", file("0", 0644)));
        AtomicBoolean done = new AtomicBoolean();
        Thread writer = Thread.ofPlatform().start(() -> {
            try {
                for (int i = 1; i <= 300; i++) {
                    folder.replace(
                            Map.of("x", file(Integer.toString(i), 0644), "y", file(Integer.toString(i), 0644)));
                }
            } catch (NotRunnable | IOException e) {
                throw new IllegalStateException(e);
            } finally {
                done.set(true);
            }
        });

        int compared = 0;
        while (!done.get() || compared == 0) {
            try {
                Path version = folder.folder().resolve("..data").toRealPath();
                assertThat(Files.readString(version.resolve("x"))).isEqualTo(Files.readString(version.resolve("y")));
                compared++;
            } catch (IOException _) {
                // Swept away while it was read: a reader starts over with the next version.
                continue;
            }
        }
        writer.join();
        assertThat(folder.folder().resolve("y")).hasContent("300");
    }

    @Test
    void aPathThatLeadsOutIsRefusedAndWhatWasThereStays() throws Exception {
        SwappedFolder folder = new SwappedFolder(parent.resolve("v"));
        folder.replace(Map.of("a", file("1", 0644)));

        assertThatThrownBy(() -> folder.replace(Map.of("../../x", file("2", 0644)))).isInstanceOf(NotRunnable.class)
                .hasMessageContaining("leads out of its folder");

        assertThat(folder.folder().resolve("a")).hasContent("1");
        assertThat(parent.resolve("x")).doesNotExist();
    }
}
