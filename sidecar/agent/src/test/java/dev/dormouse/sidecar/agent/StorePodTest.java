package dev.dormouse.sidecar.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.StoreTask;
import dev.dormouse.sidecar.api.StoreTask.Verdict;
import dev.dormouse.sidecar.api.VolumeListing;
import dev.dormouse.sidecar.pipeline.Compression;
import dev.dormouse.sidecar.pipeline.ProgressListener;
import dev.dormouse.sidecar.store.SampleModel;
import dev.dormouse.sidecar.store.SaveOptions;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.Writer;
import dev.dormouse.sidecar.trust.KeyFolder;
import dev.dormouse.sidecar.trust.Trust;
import dev.dormouse.sidecar.trust.TrustSettings;
import java.io.IOException;
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
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A store pod over a real volume, asked as the operator asks it. */
class StorePodTest {
    private static final String UNKNOWN = "20200101t000000000z-0000000000000000";
    private static final StoreTask LOOK = new StoreTask(Set.of(), Set.of(), Set.of(), null, 0, 0, 0, 0, Set.of());

    @TempDir
    private Path volume;
    @TempDir
    private Path scratch;
    @TempDir
    private Path secrets;

    @Test
    @DisplayName("S37, S38: deleted bytes are freed, the rest is listed, and the outcome can be read until the pod goes")
    void aTaskIsCarriedOutAndTold() throws Exception {
        List<Snapshot> saved = save(3);
        StoreTask task = new StoreTask(Set.of(saved.get(1).id()), Set.of(), Set.of(saved.get(0).id(), "unknown-id"),
                null, 0, 0, 0, 1, Set.of());
        try (StorePod pod = StorePod.listen("127.0.0.1", 0, null)) {
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
        try (StorePod pod = StorePod.listen("127.0.0.1", 0, null)) {
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
        try (StorePod pod = StorePod.listen("127.0.0.1", 0, null)) {
            VolumeListing listing = pod.carryOut(LOOK, volume, Clock.systemUTC()).listing();

            assertThat(listing.snapshots()).isEmpty();
            assertThat(listing.refused()).singleElement()
                    .satisfies(refused -> assertThat(refused.reason()).isEqualTo("CanaryMismatch"));
        }
    }

    @Test
    void aVolumeOnWhichNothingWasEverSavedIsEmptyAndNotAnError() throws Exception {
        try (StorePod pod = StorePod.listen("127.0.0.1", 0, null)) {
            StoreTask.Outcome outcome = pod.carryOut(LOOK, volume, Clock.systemUTC());

            assertThat(outcome.listing()).isEqualTo(VolumeListing.EMPTY);
            assertThat(outcome.errors()).isEmpty();
            assertThat(Files.list(volume)).isEmpty();
        }
    }

    @Test
    @DisplayName("S23, S32: what is to be verified is read to the last byte with the volume's keys; damage is told and put into quarantine")
    void snapshotsAreVerifiedOnDemand() throws Exception {
        KeyFolder keys = new KeyFolder(secrets).signer("2026").wrapping("k1", 1);
        TrustSettings settings = keys.settings("team/m", "2026", true);
        List<Snapshot> saved = save(2, Trust.load(settings));
        flipAByteOf(saved.getLast());
        Map<String, String> wanted = Map.of(saved.getFirst().id(), "first", saved.getLast().id(), "last", UNKNOWN,
                "none");
        try (StorePod pod = StorePod.listen("127.0.0.1", 0, null)) {
            StoreTask.Outcome outcome = pod.carryOut(verifying(wanted), volume, Clock.systemUTC(),
                    StorePod.Keys.of(settings));

            assertThat(outcome.verified()).hasSize(3);
            assertThat(verified(outcome, "first").verdict()).isEqualTo(Verdict.Intact);
            assertThat(verified(outcome, "first").rawBytes()).isEqualTo(100_000);
            assertThat(verified(outcome, "last").verdict()).isEqualTo(Verdict.Damaged);
            assertThat(verified(outcome, "last").problems()).first().asString().contains("ChecksumMismatch");
            assertThat(verified(outcome, "none").verdict()).isEqualTo(Verdict.Failed);
            assertThat(outcome.listing().refused()).extracting(VolumeListing.Refused::id)
                    .containsExactly(saved.getLast().id());
        }
    }

    @Test
    @DisplayName("S38: without its Secret a volume is still freed of what was deleted; nothing is verified or pruned, and the reason is told")
    void aMissingSecretHoldsNoBytesBack() throws Exception {
        KeyFolder keys = new KeyFolder(secrets).wrapping("k1", 1);
        TrustSettings settings = keys.settings("team/m", null, true);
        List<Snapshot> saved = save(3, Trust.load(settings));
        keys.forget("k1");
        StoreTask task = new StoreTask(Set.of(), Set.of(), Set.of(saved.getFirst().id()), null, 1, 0, 0, 1, Set.of(),
                Map.of(saved.get(1).id(), "now"));
        try (StorePod pod = StorePod.listen("127.0.0.1", 0, null)) {
            StoreTask.Outcome outcome = pod.carryOut(task, volume, Clock.systemUTC(), StorePod.Keys.of(settings));

            assertThat(outcome.freedBytes()).isGreaterThanOrEqualTo(100_000);
            assertThat(outcome.pruned()).isEmpty();
            assertThat(outcome.errors()).singleElement().asString().contains("prune", "holds no keys");
            assertThat(verified(outcome, "now").verdict()).isEqualTo(Verdict.Failed);
            assertThat(verified(outcome, "now").problems()).singleElement().asString().contains("holds no keys");
            assertThat(outcome.listing().has(saved.get(1).id())).isTrue();
        }
    }

    @Test
    void aTaskThatIsNoneIsRefusedByItsName() {
        assertThatThrownBy(() -> StorePod.parse("{\"delete\": 5}")).hasMessageContaining("DORMOUSE_STORE_TASK");
    }

    private void flipAByteOf(Snapshot snapshot) throws IOException {
        Path pack = volume.resolve("packs/" + snapshot.manifest().packs().getLast().id() + ".pack");
        byte[] bytes = Files.readAllBytes(pack);
        bytes[bytes.length / 2] ^= 1;
        Files.write(pack, bytes);
    }

    private static StoreTask verifying(Map<String, String> wanted) {
        return new StoreTask(Set.of(), Set.of(), Set.of(), null, 0, 0, 0, 0, Set.of(), wanted);
    }

    private static StoreTask.Verified verified(StoreTask.Outcome outcome, String mark) {
        return outcome.verified().stream().filter(one -> one.mark().equals(mark)).findFirst().orElseThrow();
    }

    private List<Snapshot> save(int count) throws Exception {
        return save(count, Trust.OFF);
    }

    private List<Snapshot> save(int count, Trust trust) throws Exception {
        SnapshotStore store = SnapshotStore.open(volume, Writer.inPod("pod"), Clock.systemUTC(), trust);
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
