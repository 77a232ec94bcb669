package dev.dormouse.cluster.kubelet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerBuilder;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Probe;
import io.fabric8.kubernetes.api.model.ProbeBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProbingTest {
    @TempDir
    private Path folder;
    private final BlockingQueue<Optional<String>> reports = new LinkedBlockingQueue<>();

    private Probing probing(Probe probe) throws NotRunnable {
        Container container = new ContainerBuilder().withName("c").build();
        Launch launch = new Launch(List.of("true"), Map.of(), folder);
        return Probing.of(probe, container, "127.0.0.1", launch, MountPaths.of(Map.of("/scratch", folder)), "mark");
    }

    private @Nullable Optional<String> nextReport() throws InterruptedException {
        return reports.poll(30, TimeUnit.SECONDS);
    }

    private static ProbeBuilder exec(String... command) {
        return new ProbeBuilder().withNewExec().withCommand(command).endExec();
    }

    @Test
    void the_first_look_is_at_once_and_says_what_is_wrong() throws Exception {
        Thread thread = probing(exec("sh", "-c", "echo not yet; exit 4").withPeriodSeconds(600).build()).start("p",
                Optional.empty(), reports::add);

        assertThat(nextReport()).isEqualTo(Optional.of("exit code 4: not yet"));
        thread.interrupt();
        thread.join();
    }

    @Test
    void a_startup_probe_may_look_more_often_while_failures_count_once_per_period() throws Exception {
        Thread thread = probing(exec("test", "-f", "/scratch/go").withPeriodSeconds(600).build()).start("p",
                Optional.of(Duration.ofMillis(5)), reports::add);

        Files.createFile(folder.resolve("go"));

        assertThat(nextReport()).isEqualTo(Optional.empty());
        thread.interrupt();
        thread.join();
    }

    @Test
    void a_command_that_hangs_fails_after_its_timeout_and_is_ended() throws Exception {
        Thread thread = probing(exec("sleep", "1000").withPeriodSeconds(600).withTimeoutSeconds(1).build()).start("p",
                Optional.empty(), reports::add);

        assertThat(nextReport()).isEqualTo(Optional.of("command timed out after 1s"));
        thread.interrupt();
        thread.join();
    }

    @Test
    void a_port_that_nobody_listens_on_fails() throws Exception {
        Thread thread = probing(new ProbeBuilder().withNewHttpGet().withPort(new IntOrString(9)).endHttpGet().build())
                .start("p", Optional.empty(), reports::add);

        assertThat(nextReport()).isNotNull().isPresent();
        thread.interrupt();
        thread.join();
    }

    @Test
    void what_cannot_be_probed_is_refused_by_name() throws IOException {
        assertThatThrownBy(() -> probing(new ProbeBuilder().withNewGrpc().withPort(1).endGrpc().build()))
                .isInstanceOf(NotRunnable.class)
                .hasMessageContaining("httpGet, tcpSocket and exec");
        assertThatThrownBy(() -> probing(new ProbeBuilder().withNewTcpSocket()
                .withPort(new IntOrString("http"))
                .endTcpSocket()
                .build())).isInstanceOf(NotRunnable.class).hasMessageContaining("port \"http\"");
    }

    @Test
    void thresholds_count_in_a_row() {
        ProbeTally tally = new ProbeTally(2, 3, 0, 0);

        assertThat(tally.count(true).passed()).isFalse();
        assertThat(tally.count(true).count(true).passed()).isTrue();
        assertThat(tally.count(true).count(false).count(true).passed()).isFalse();
        assertThat(tally.count(false).count(false).count(true).count(false).failed()).isFalse();
        assertThat(tally.count(false).count(false).count(false).failed()).isTrue();
    }
}
