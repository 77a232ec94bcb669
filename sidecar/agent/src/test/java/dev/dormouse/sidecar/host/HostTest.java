package dev.dormouse.sidecar.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.cuda.GpuFigure;
import dev.dormouse.sidecar.device.Accelerator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HostTest {
    private static final Instant NOW = Instant.parse("2026-11-21T12:00:00Z");
    private static final long NOW_MICROS = NOW.getEpochSecond() * 1_000_000;

    @TempDir
    Path folder;

    private HostFiles files;

    @BeforeEach
    void aMachineOf8Gibibytes() throws IOException {
        Files.createDirectories(folder.resolve("proc/net"));
        Files.createDirectories(folder.resolve("cgroup"));
        Files.writeString(folder.resolve("proc/meminfo"), "MemTotal:     8388608 kB\nMemFree:  1 kB\n");
        Files.writeString(folder.resolve("proc/cpuinfo"), "processor\t: 0\nmodel name\t: Dormouse 9000\n");
        Files.writeString(folder.resolve("proc/loadavg"), "0.75 0.50 0.25 1/200 4242\n");
        Files.writeString(folder.resolve("proc/net/dev"),
                """
                Inter-|   Receive                |  Transmit
                 face |bytes packets errs drop fifo frame compressed multicast|bytes packets
                    lo: 99 9 0 0 0 0 0 0 99 9 0 0 0 0 0 0
                  eth0: 1000 9 0 0 0 0 0 0 2000 9 0 0 0 0 0 0
                  eth1:1 9 0 0 0 0 0 0 2 9 0 0 0 0 0 0
                """);
        files = new HostFiles(folder.resolve("cgroup"), folder.resolve("proc"));
    }

    private void group(String file, String text) throws IOException {
        Files.writeString(folder.resolve("cgroup").resolve(file), text);
    }

    @Test
    @DisplayName("BL42, BR11: the container's memory limit counts where there is one")
    void limit() throws IOException {
        assertThat(files.memoryLimitBytes()).as("outside of a group").isEqualTo(8L << 30);
        group("memory.max", "max\n");
        assertThat(files.memoryLimitBytes()).isEqualTo(8L << 30);
        group("memory.max", (1L << 40) + "\n");
        assertThat(files.memoryLimitBytes()).as("more than there is").isEqualTo(8L << 30);
        group("memory.max", "4096\n");
        assertThat(files.memoryLimitBytes()).isEqualTo(4096);
        group("memory.max", "lots");
        assertThatThrownBy(files::memoryLimitBytes).isInstanceOf(IOException.class).hasMessageContaining("memory.max");
        assertThat(HostFiles.OF_THIS_CONTAINER.memoryLimitBytes()).isPositive();
    }

    @Test
    @DisplayName("BL42: what it runs on, for programs and for people")
    void hardware() throws IOException {
        group("memory.max", Long.toString(3L << 29));
        var gpu = new Accelerator("NVIDIA H200", "GPU-8f2d", "sm_90", 141L << 30, "580.65.06", 13_000);

        Hardware with = Hardware.of(files, Optional.of(gpu));
        Hardware without = Hardware.of(files, Optional.empty());

        assertThat(with.accelerators()).containsExactly(gpu);
        assertThat(with.cores()).isEqualTo(Runtime.getRuntime().availableProcessors());
        assertThat(with.text().lines()).contains("memory  1.5 GiB of 8.0 GiB",
                "gpu     NVIDIA H200 (sm_90), 141.0 GiB, GPU-8f2d, driver 580.65.06, CUDA 13.0",
                "cpu     " + with.cores() + " cores of Dormouse 9000");
        assertThat(without.text()).contains("gpu     none that the sidecar sees\n");
    }

    @Test
    @DisplayName("BL40, BL41: a sample has the container's processor time, memory and swap, the pod's traffic, the machine's load and the GPU's figures")
    void aSample() throws IOException {
        group("cpu.stat", "usage_usec 123456\nuser_usec 1\n");
        group("memory.current", "5000\n");
        group("memory.swap.current", "6\n");
        try (Sampler sampler = sampler(() -> NOW)) {
            sampler.look();

            assertThat(sampler.after(0)).containsExactly(new Sample(NOW_MICROS, 123_456L, 5_000L, 6L, 0.75, 1_001,
                    2_002, Map.of("temperature_celsius", 41.0)));
        }
    }

    @Test
    @DisplayName("BL41: an hour is remembered, and those after a moment are answered; what has no source is left out")
    void theRing() throws IOException {
        long[] seconds = {0};
        try (Sampler sampler = sampler(() -> NOW.plusSeconds(seconds[0]))) {
            for (int i = 0; i < 1_000; i++) {
                sampler.look();
                seconds[0] += 5;
            }
            List<Sample> all = sampler.after(0);

            assertThat(all).hasSize(720)
                    .isSortedAccordingTo((a, b) -> Long.compare(a.atEpochMicros(), b.atEpochMicros()));
            assertThat(all.getFirst().atEpochMicros()).isEqualTo(NOW_MICROS + 280 * 5_000_000L);
            assertThat(all.getFirst().memoryBytes()).isNull();
            assertThat(sampler.after(all.get(717).atEpochMicros())).isEqualTo(all.subList(718, 720));
        }
    }

    @Test
    @DisplayName("BL41: a look that fails is a gap, and the next one is taken")
    void aGap() throws IOException {
        try (Sampler sampler = sampler(() -> NOW)) {
            Files.writeString(folder.resolve("proc/loadavg"), "busy");
            sampler.look();
            Files.writeString(folder.resolve("proc/loadavg"), "1.00 1 1");
            sampler.look();

            assertThat(sampler.after(0)).extracting(Sample::load).containsExactly(1.0);
        }
    }

    @Test
    @DisplayName("BL41: never more often than every 5 s")
    void atLeast() {
        assertThatIllegalArgumentException().isThrownBy(
                () -> new Sampler(files, Map::of, Clock.systemUTC(), Duration.ofMillis(4_999)));
    }

    private Sampler sampler(java.util.function.Supplier<Instant> now) {
        Clock clock = new Clock() {
            @Override
            public ZoneOffset getZone() {
                return ZoneOffset.UTC;
            }

            @Override
            public Clock withZone(java.time.ZoneId zone) {
                return this;
            }

            @Override
            public Instant instant() {
                return now.get();
            }
        };
        return new Sampler(files, () -> Map.of(GpuFigure.Temperature, 41.0), clock, Sampler.SHORTEST);
    }
}
