package dev.dormouse.cli.local;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AotCacheTest {
    private static final List<String> FLAGS = List.of("-XX:+UseSerialGC");

    @TempDir
    Path target;
    private AotCache cache;
    private Path jar;

    @BeforeEach
    void oneJar() throws Exception {
        jar = Files.writeString(Files.createDirectory(target.resolve("app")).resolve("a.jar"), "");
        cache = new AotCache(target.resolve("app.aot"));
    }

    @Test
    void isCurrentUntilAJarIsNewer() throws Exception {
        assertThat(cache.current()).isFalse();
        Files.writeString(cache.file(), "");
        assertThat(cache.current()).isTrue();

        Files.setLastModifiedTime(jar, FileTime.from(Instant.now().plusSeconds(60)));

        assertThat(cache.current()).isFalse();
    }

    @Test
    void takesOnlyWhatTheJvmAccepts() throws Exception {
        assertThat(cache.adopt(FLAGS)).as("nothing was written").isFalse();
        Path draft = Files.writeString(target.resolve("app.aot.new"), "cut short");

        assertThat(cache.adopt(FLAGS)).isFalse();

        assertThat(draft).doesNotExist();
        assertThat(cache.file()).doesNotExist();
    }

    @Test
    void whatATrainedProcessWroteIsTaken() throws Exception {
        Files.delete(jar);
        var command = new ArrayList<String>(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString()));
        command.addAll(cache.train());
        command.addAll(FLAGS);
        command.addAll(List.of("-cp", target.resolve("app") + "/*", "-version"));
        int status = new ProcessBuilder(command).redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();

        assertThat(status).isZero();
        assertThat(cache.adopt(FLAGS)).isTrue();
        assertThat(cache.current()).isTrue();
    }
}
