package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.StoreTask;
import dev.dormouse.sidecar.api.VolumeListing;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.store.SampleModel;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A store pod over a real volume, asked as the operator asks it. */
class StorePodTest {
    private static final StoreTask LOOK = new StoreTask(Set.of(), Set.of(), Set.of(), null, 0, 0, 0, 0, Set.of());

    @TempDir
    private Path volume;
    @TempDir
    private Path scratch;

    @Test
    @DisplayName("S37, S38: deleted bytes are freed, the rest is listed, and the outcome can be read until the pod goes")
    void aTaskIsCarriedOutAndTold() throws Exception {
        List<Snapshot> saved = save(3);
        StoreTask task = new StoreTask(Set.of(saved.get(1).id()), Set.of(), Set.of(saved.get(0).id(), "unknown-id"),
                null, 0, 0, 0, 1, Set.of());
        try (StorePod pod = StorePod.listen("127.0.0.1", 0)) {
            assertThat(get(pod).statusCode()).isEqualTo(202);

            pod.carryOut(task, volume, Clock.systemUTC());

            StoreTask.Outcome outcome = new ObjectMapper().readValue(get(pod).body(), StoreTask.Outcome.class);
            assertThat(outcome.errors()).singleElement().asString().contains("unknown-id");
            assertThat(outcome.freedBytes()).isGreaterThanOrEqualTo(100_000);
            assertThat(outcome.waitingFor()).isEmpty();
            assertThat(outcome.listing().snapshots()).extracting(VolumeListing.Entry::id)
                    .containsExactlyInAnyOrder(saved.get(1).id(), saved.get(2).id());
            assertThat(outcome.listing().snapshots()).filteredOn(e -> e.id().equals(saved.get(1).id()))
                    .singleElement()
                    .satisfies(entry -> assertThat(entry.pinned()).isTrue())
                    .satisfies(entry -> assertThat(entry.rawBytes()).isGreaterThanOrEqualTo(100_000))
                    .satisfies(entry -> assertThat(entry.weightsDigest()).isNotBlank());
        }
    }

    @Test
    @DisplayName("S5, S39: retention spares the newest and the pinned one")
    void retentionIsApplied() throws Exception {
        List<Snapshot> saved = save(4);
        try (StorePod pod = StorePod.listen("127.0.0.1", 0)) {
            pod.carryOut(new StoreTask(Set.of(saved.getFirst().id()), Set.of(), Set.of(), null, 0, 0, 0, 0, Set.of()),
                    volume, Clock.systemUTC());

            StoreTask.Outcome outcome = pod.carryOut(
                    new StoreTask(Set.of(), Set.of(), Set.of(), null, 1, 0, 0, 0, Set.of()), volume,
                    Clock.systemUTC());

            assertThat(outcome.pruned()).containsExactlyInAnyOrder(saved.get(1).id(), saved.get(2).id());
            assertThat(outcome.listing().has(saved.get(3).id())).isTrue();
            assertThat(outcome.listing().has(saved.get(0).id())).isTrue();
        }
    }

    @Test
    void aSnapshotThatMustNotBeUsedIsListedWithItsReason() throws Exception {
        Snapshot saved = save(1).getFirst();
        SnapshotStore.visit(volume, Clock.systemUTC()).quarantine(saved.id(), "CanaryMismatch", "another answer");
        try (StorePod pod = StorePod.listen("127.0.0.1", 0)) {
            VolumeListing listing = pod.carryOut(LOOK, volume, Clock.systemUTC()).listing();

            assertThat(listing.snapshots()).isEmpty();
            assertThat(listing.refused()).singleElement()
                    .satisfies(refused -> assertThat(refused.reason()).isEqualTo("CanaryMismatch"));
        }
    }

    @Test
    void aVolumeOnWhichNothingWasEverSavedIsEmptyAndNotAnError() throws Exception {
        try (StorePod pod = StorePod.listen("127.0.0.1", 0)) {
            StoreTask.Outcome outcome = pod.carryOut(LOOK, volume, Clock.systemUTC());

            assertThat(outcome.listing()).isEqualTo(VolumeListing.EMPTY);
            assertThat(outcome.errors()).isEmpty();
            assertThat(Files.list(volume)).isEmpty();
        }
    }

    @Test
    void aTaskThatIsNoneIsRefusedByItsName() {
        assertThatThrownBy(() -> StorePod.parse("{\"delete\": 5}")).hasMessageContaining("DORMOUSE_STORE_TASK");
    }

    private List<Snapshot> save(int count) throws Exception {
        SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("pod"), Clock.systemUTC());
        List<Snapshot> saved = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            try (SampleModel model = new SampleModel(scratch, i)) {
                model.buffer("w", BufferType.Weights, model.random(100_000));
                saved.add(store.save(model.request(Instant.parse("2026-01-01T00:00:00Z").plusSeconds(i)),
                        model.device(), SaveOptions.of(Compression.None, 3), ProgressListener.NONE));
            }
        }
        return saved;
    }

    private static HttpResponse<String> get(StorePod pod) throws Exception {
        try (HttpClient http = HttpClient.newHttpClient()) {
            return http.send(
                    HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + pod.port() + "/v1/task")).build(),
                    HttpResponse.BodyHandlers.ofString());
        }
    }
}
