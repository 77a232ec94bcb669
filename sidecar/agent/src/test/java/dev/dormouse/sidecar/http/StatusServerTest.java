package dev.dormouse.sidecar.http;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.host.HostFiles;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.net.HttpURLConnection;
import java.net.Socket;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class StatusServerTest {
    static final HostRoutes HOST = new HostRoutes(HostFiles.OF_THIS_CONTAINER, Optional::empty, null);

    private final Feed feed = new Feed();
    private StatusServer server;

    @BeforeEach
    void start() throws IOException {
        server = start(0);
    }

    private StatusServer start(int port) throws IOException {
        var nothing = new NoSnapshots();
        return StatusServer.start("127.0.0.1", port, feed, new SnapshotRoutes(null, nothing, null), nothing,
                StatusServerTest.HOST, null);
    }

    @AfterEach
    void stop() {
        server.close();
    }

    @Test
    @DisplayName("H35: the status is one JSON object")
    void theStatusIsOneJsonObject() throws IOException {
        assertThat(parse(get("/status").body)).isEqualTo(feed.current());
    }

    @Test
    @DisplayName("H34: /readyz opens only when the replica is Ready, and says why not")
    void readinessFollowsThePhase() throws IOException {
        assertThat(get("/readyz")).isEqualTo(new Answer(503, "Starting\n"));

        feed.set(ReplicaPhase.Failed, 0, "warmup_inference: HTTP 500");
        assertThat(get("/readyz")).isEqualTo(new Answer(503, "Failed: warmup_inference: HTTP 500\n"));

        feed.set(ReplicaPhase.Ready, 100, null);
        assertThat(get("/readyz")).isEqualTo(new Answer(200, "Ready\n"));
    }

    @Test
    void livenessDoesNotDependOnThePhase() throws IOException {
        feed.set(ReplicaPhase.Failed, 0, "x");

        assertThat(get("/livez").code).isEqualTo(200);
        assertThat(get("/healthz").code).isEqualTo(200);
    }

    @Test
    void anUnknownPathSaysWhichExist() throws IOException {
        assertThat(get("/nothing").code).isEqualTo(404);
        assertThat(get("/nothing").body).contains("/status");
    }

    @Test
    void onlyReadingIsAllowed() throws IOException {
        assertThat(send("/status", "DELETE").code).isEqualTo(405);
    }

    @Test
    void aWatcherGetsThePresentStatusAtOnceAndThenEachPhase() throws IOException {
        try (BufferedReader lines = watch()) {
            assertThat(next(lines).phase()).isEqualTo(ReplicaPhase.Starting);
            for (ReplicaPhase phase : List.of(ReplicaPhase.Loading, ReplicaPhase.Warming, ReplicaPhase.Ready)) {
                feed.set(phase, 0, null);
                assertThat(next(lines).phase()).isEqualTo(phase);
            }
        }
    }

    @Test
    void progressIsCoalescedAndTheLastStateArrives() throws IOException {
        try (BufferedReader lines = watch()) {
            next(lines);
            List<SidecarStatus> seen = new ArrayList<>();
            Thread writer = Thread.ofPlatform().start(() -> {
                for (int i = 1; i <= 10_000; i++) {
                    feed.set(ReplicaPhase.Starting, i / 100.0, null);
                }
            });
            do {
                seen.add(next(lines));
            } while (seen.getLast().percent() < 100);

            assertThat(seen).hasSizeLessThan(1_000);
            assertThat(seen).extracting(SidecarStatus::sequence).isSorted().doesNotHaveDuplicates();
            assertThat(writer.isAlive()).isFalse();
        }
    }

    @Test
    void aWatcherThatNeverReadsHoldsNobodyUp() throws IOException {
        try (Socket deaf = new Socket("127.0.0.1", server.port()); BufferedReader lines = watch()) {
            deaf.setReceiveBufferSize(1024);
            deaf.getOutputStream().write("GET /status?watch=true HTTP/1.1\r\nHost: x\r\n\r\n".getBytes(UTF_8));
            next(lines);
            String large = "x".repeat(1 << 20);
            for (int i = 1; i <= 20; i++) {
                feed.set(i % 2 == 0 ? ReplicaPhase.Starting : ReplicaPhase.Loading, i, large);
                assertThat(next(lines).percent()).isEqualTo(i);
            }
        }
    }

    @Test
    void stoppingEndsTheStream() throws IOException {
        BufferedReader lines = watch();
        next(lines);

        server.close();

        assertThatThrownBy(() -> {
            while (lines.readLine() != null) {
                // Whatever was on its way.
            }
            throw new IOException("end of stream");
        }).isInstanceOf(IOException.class);
    }

    @Test
    void tooManyWatchersAreTurnedAwayAndPlacesBecomeFreeAgain() throws IOException {
        List<BufferedReader> watching = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            watching.add(watch());
            next(watching.getLast());
        }
        assertThat(get("/status?watch=true").code).isEqualTo(503);
        assertThat(get("/status").code).isEqualTo(200);

        for (Reader reader : watching) {
            reader.close();
        }

        await().ignoreException(IOException.class).untilAsserted(() -> {
            feed.set(ReplicaPhase.Loading, feed.current().percent() + 1, null);
            try (BufferedReader again = watch()) {
                assertThat(next(again)).isNotNull();
            }
        });
    }

    @Test
    void anAddressThatIsTakenIsNamed() {
        assertThatThrownBy(() -> start(server.port())).isInstanceOf(IOException.class)
                .hasMessageContaining("Cannot listen on 127.0.0.1:" + server.port());
    }

    @Test
    @DisplayName("H14, H15: metrics tell phases, bytes, iterations, memory and failures with their reason")
    void metrics() throws IOException {
        feed.status = new SidecarStatus(9, "i", "u", "ns/m", "1", ReplicaPhase.Failed, 0, -1, Rung.Cold, 4096,
                List.of(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 1_500_000), PhaseTiming.skipped(
                        PhaseTiming.CUSTOM_INIT),
                        new PhaseTiming(PhaseTiming.WARMUP_INFERENCE, PhaseTiming.State.Failed, 10, "x")),
                new SnapshotReport(null, SnapshotReport.State.Failed, 0, 0, 3, "VolumeFull", "no space"),
                new SnapshotReport("s", SnapshotReport.State.Quarantined, 1, 1, 1, "Checksum\"Mismatch", "m"), 77, 3,
                2_000, 1_000_000, 0, "WarmupDeadlineExceeded", null);

        assertThat(get("/metrics").body).contains("dormouse_sidecar_phase{phase=\"Failed\"} 1\n",
                "dormouse_sidecar_phase{phase=\"Ready\"} 0\n",
                "dormouse_sidecar_warmup_phase_seconds{phase=\"weight_load\"} 1.500000\n",
                "dormouse_sidecar_warmup_failures{reason=\"WarmupDeadlineExceeded\"} 1\n",
                "dormouse_sidecar_restored_bytes 4096\n", "dormouse_sidecar_warmup_iterations 3\n",
                "dormouse_sidecar_memory_bytes 77\n", "dormouse_sidecar_first_inference_seconds 0.002000\n",
                "dormouse_sidecar_snapshot_failures{reason=\"VolumeFull\"} 1\n",
                "dormouse_sidecar_snapshot_failures{reason=\"Checksum\\\"Mismatch\"} 1\n",
                "# TYPE dormouse_sidecar_saved_bytes gauge\n").doesNotContain("custom_init", "wake_seconds");
    }

    private record Answer(int code, String body) {}

    private Answer get(String path) throws IOException {
        return send(path, "GET");
    }

    private Answer send(String path, String method) throws IOException {
        HttpURLConnection connection = open(path);
        connection.setRequestMethod(method);
        int code = connection.getResponseCode();
        try (var body = code < 400 ? connection.getInputStream() : connection.getErrorStream()) {
            return new Answer(code, new String(body.readAllBytes(), UTF_8));
        }
    }

    private HttpURLConnection open(String path) throws IOException {
        return (HttpURLConnection) URI.create("http://127.0.0.1:" + server.port() + path).toURL().openConnection();
    }

    private BufferedReader watch() throws IOException {
        return new BufferedReader(new InputStreamReader(open("/status?watch=true").getInputStream(), UTF_8));
    }

    private static SidecarStatus next(BufferedReader lines) throws IOException {
        return parse(lines.readLine());
    }

    private static SidecarStatus parse(String json) throws IOException {
        return new ObjectMapper().readValue(json, SidecarStatus.class);
    }

    /** A replica without a volume. */
    static final class NoSnapshots implements ReplicaSnapshots {
        @Override
        public SnapshotReport save() throws ApiException {
            throw new ApiException(409, "SnapshotsOff", "off");
        }

        @Override
        public RestoreView restore(@Nullable String snapshotId, Set<BufferType> types) throws ApiException {
            throw new ApiException(409, "SnapshotsOff", "off");
        }

        @Override
        public Optional<RestoreView> restoreById(String id) {
            return Optional.empty();
        }

        @Override
        public void cancelRestore(String id) {
            // There is none.
        }

        @Override
        public SnapshotStats stats() {
            return new SnapshotStats.Counter().now();
        }
    }

    /** A status that the test writes. */
    static final class Feed implements StatusFeed {
        private SidecarStatus status = new SidecarStatus(1, "i", "u", "ns/m", "1", ReplicaPhase.Starting, 0, -1,
                Rung.Cold, 0, List.of(), SnapshotReport.ABSENT, null, 0, 0, 0, 1_000_000, 0, null, null);

        synchronized void set(ReplicaPhase phase, double percent, @Nullable String message) {
            status = new SidecarStatus(status.sequence() + 1, "i", "u", "ns/m", "1", phase, percent, -1, Rung.Cold, 0,
                    List.of(), SnapshotReport.ABSENT, null, 0, 0, 0, 1_000_000, 0, null, message);
            notifyAll();
        }

        @Override
        public synchronized SidecarStatus current() {
            return status;
        }

        @Override
        public synchronized SidecarStatus awaitChange(long seen, Duration atMost) throws InterruptedException {
            if (status.sequence() <= seen) {
                wait(atMost.toMillis());
            }
            return status;
        }
    }
}
