package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostMemoryTest {
    @TempDir
    Path folder;

    @BeforeEach
    void aMachineOf8Kilobytes() throws IOException {
        Files.writeString(folder.resolve("meminfo"), "MemTotal:             8 kB\nMemFree:  1 kB\n");
    }

    @Test
    void theContainersLimitCountsWhereThereIsOne() throws IOException {
        assertThat(limit("4096\n")).isEqualTo(4096);
        assertThat(limit("999999\n")).isEqualTo(8192);
        assertThat(limit("max\n")).isEqualTo(8192);
        assertThat(HostMemory.limitBytes(folder.resolve("none"), folder.resolve("meminfo"))).isEqualTo(8192);
    }

    @Test
    void aLimitThatIsNoNumberIsNamed() {
        assertThatThrownBy(() -> limit("lots")).isInstanceOf(IOException.class).hasMessageContaining("memory.max");
    }

    @Test
    void thisMachineHasMemory() throws IOException {
        assertThat(HostMemory.limitBytes()).isPositive();
    }

    private long limit(String text) throws IOException {
        return HostMemory.limitBytes(Files.writeString(folder.resolve("memory.max"), text),
                folder.resolve("meminfo"));
    }
}
