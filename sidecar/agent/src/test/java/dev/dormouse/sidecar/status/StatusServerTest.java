package dev.dormouse.sidecar.status;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

@DisplayName("The sidecar's HTTP port")
class StatusServerTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final List<PhaseTiming> PHASES = List.of(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 1_500_000),
            PhaseTiming.skipped(PhaseTiming.POOL_ALLOC));

    private final StatusBoard board = new StatusBoard(
            Statuses.first("instance", "uid", "shop/minilm", "wake-1", 1_000_000));
    private final HttpClient http = HttpClient.newHttpClient();
    private StatusServer server;
    private URI base;

    @BeforeEach
    void start() throws IOException {
        InetAddress loopback = InetAddress.getByName("127.0.0.1");
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, loopback)) {
            port = free.getLocalPort();
        }
        server = StatusServer.start(new InetSocketAddress(loopback, port), board);
        base = URI.create("http://127.0.0.1:" + port);
    }

    @AfterEach
    void stop() {
        http.shutdownNow();
        server.close();
    }

    @Test
    @DisplayName("answers the whole status as JSON (H35, H36)")
    void answersTheWholeStatus() throws Exception {
        board.post(s -> Statuses.begun(s, ReplicaPhase.Loading, Rung.Cold, SnapshotReport.ABSENT));
        board.post(s -> Statuses.warming(s, PHASES, 4096));

        HttpResponse<String> answer = get("/status");

        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.headers().firstValue("content-type")).contains("application/json");
        SidecarStatus status = JSON.readValue(answer.body(), SidecarStatus.class);
        assertThat(status).isEqualTo(board.present());
        assertThat(status.sequence()).isEqualTo(3);
        assertThat(status.phases()).isEqualTo(PHASES);
        assertThat(status.memoryBytes()).isEqualTo(4096);
    }

    @Test
    @DisplayName("streams the present status at once and then a line for each change, to every watcher")
    void streamsChanges() throws Exception {
        try (BufferedReader one = watch(); BufferedReader other = watch()) {
            assertThat(next(one)).isEqualTo(board.present());
            assertThat(next(other).phase()).isEqualTo(ReplicaPhase.Starting);

            board.post(s -> Statuses.begun(s, ReplicaPhase.Restoring, Rung.Volume, SnapshotReport.ABSENT));
            SidecarStatus restoring = next(one);
            assertThat(restoring.phase()).isEqualTo(ReplicaPhase.Restoring);
            assertThat(restoring.sequence()).isEqualTo(2);

            board.post(s -> Statuses.ready(s, 5_000_000));
            SidecarStatus ready = next(one);
            assertThat(ready.phase()).isEqualTo(ReplicaPhase.Ready);
            assertThat(ready.readyAtEpochMicros()).isEqualTo(5_000_000);
            assertThat(nextOf(other, ReplicaPhase.Ready)).isEqualTo(ready);
        }
    }

    @Test
    @DisplayName("does not stream what changes nothing")
    void doesNotStreamWhatChangesNothing() throws Exception {
        try (BufferedReader watcher = watch()) {
            next(watcher);

            board.post(s -> s);
            board.post(s -> Statuses.ready(s, 1));

            assertThat(next(watcher).sequence()).isEqualTo(2);
        }
    }

    @Test
    @DisplayName("ends its streams when it stops")
    void endsItsStreams() throws Exception {
        BufferedReader watcher = watch();
        next(watcher);

        server.close();

        org.assertj.core.api.Assertions.assertThatThrownBy(() -> next(watcher))
                .isInstanceOfAny(IOException.class,
                        NullPointerException.class, IllegalArgumentException.class);
    }

    @Test
    @DisplayName("is ready only in the phase Ready, and says why not (H34)")
    void isReadyOnlyInThePhaseReady() throws Exception {
        assertThat(get("/readyz").statusCode()).isEqualTo(503);
        assertThat(get("/readyz").body()).isEqualTo("Starting\n");

        board.post(s -> Statuses.warming(s, PHASES, 0));
        assertThat(get("/readyz").statusCode()).isEqualTo(503);

        board.post(s -> Statuses.ready(s, 7));
        assertThat(get("/readyz").statusCode()).isEqualTo(200);

        board.post(s -> Statuses.failed(s, PHASES, "WarmupFailed/warmup_inference", "answered 500"));
        HttpResponse<String> failed = get("/readyz");
        assertThat(failed.statusCode()).isEqualTo(503);
        assertThat(failed.body()).isEqualTo("Failed: WarmupFailed/warmup_inference: answered 500\n");
    }

    @Test
    @DisplayName("is alive in every phase, for a restart would not help a failed warmup")
    void isAliveInEveryPhase() throws Exception {
        assertThat(get("/livez").statusCode()).isEqualTo(200);

        board.post(s -> Statuses.failed(s, List.of(), "DeadlineExceeded", "too slow"));

        assertThat(get("/livez").statusCode()).isEqualTo(200);
    }

    @Test
    @DisplayName("tells Prometheus readiness, bytes and the seconds of each phase (H10–H13, H15)")
    void tellsPrometheus() throws Exception {
        board.post(s -> Statuses.warming(s, PHASES, 4096));
        board.post(s -> Statuses.warmed(s, PHASES, 2, 250_000));
        assertThat(get("/metrics").body()).contains("dormouse_sidecar_ready 0.0\n");

        board.post(s -> Statuses.ready(s, 9));
        HttpResponse<String> answer = get("/metrics");

        assertThat(answer.headers().firstValue("content-type")).contains("text/plain; version=0.0.4");
        assertThat(answer.body().lines()).contains("dormouse_sidecar_ready 1.0",
                "dormouse_sidecar_device_memory_bytes 4096.0",
                "dormouse_sidecar_first_inference_seconds 0.25",
                "dormouse_sidecar_phase_seconds{phase=\"weight_load\",state=\"Done\"} 1.5",
                "dormouse_sidecar_phase_seconds{phase=\"pool_alloc\",state=\"Skipped\"} 0.0",
                "dormouse_sidecar_snapshot_seconds{state=\"Absent\"} 0.0");
    }

    @Test
    @DisplayName("knows no other path")
    void knowsNoOtherPath() throws Exception {
        assertThat(get("/").statusCode()).isEqualTo(404);
        assertThat(get("/warmup").statusCode()).isEqualTo(404);
    }

    private HttpResponse<String> get(String path) throws IOException, InterruptedException {
        return http.send(HttpRequest.newBuilder(base.resolve(path)).build(), BodyHandlers.ofString());
    }

    private BufferedReader watch() throws IOException, InterruptedException {
        var answer = http.send(HttpRequest.newBuilder(base.resolve("/status?watch=true")).build(),
                BodyHandlers.ofInputStream());
        assertThat(answer.headers().firstValue("content-type")).contains("application/x-ndjson");
        return new BufferedReader(new InputStreamReader(answer.body(), StandardCharsets.UTF_8));
    }

    private static SidecarStatus next(BufferedReader watcher) throws IOException {
        return JSON.readValue(watcher.readLine(), SidecarStatus.class);
    }

    /** A slow watcher may miss the statuses in between. */
    private static SidecarStatus nextOf(BufferedReader watcher, ReplicaPhase phase) throws IOException {
        SidecarStatus status = next(watcher);
        while (status.phase() != phase) {
            status = next(watcher);
        }
        return status;
    }
}
