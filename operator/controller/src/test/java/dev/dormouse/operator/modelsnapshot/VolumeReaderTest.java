package dev.dormouse.operator.modelsnapshot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.operator.sidecar.SidecarAddress;
import dev.dormouse.sidecar.api.StoreTask;
import dev.dormouse.sidecar.api.VolumeListing;
import io.fabric8.mockwebserver.DefaultMockServer;
import io.fabric8.mockwebserver.http.RecordedRequest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What sidecars and store pods are asked about their volume, and what each answer means. */
class VolumeReaderTest {
    private static final String ADDRESS = "127.0.0.1";
    private static final String LISTING = """
                                          {"snapshots": [{"id": "one", "key": "k", "createdAt": "2026-11-21T10:00:00Z", "rawBytes": 8,
                                                          "storedBytes": 4, "pinned": true, "ofALaterSidecar": 1}],
                                           "refused": [{"id": "two", "reason": "ChecksumMismatch"}]}
                                          """;

    private final DefaultMockServer sidecar = new DefaultMockServer(false);
    private VolumeReader reader = new VolumeReader(new SidecarAddress(1, Optional.empty()));

    @BeforeEach
    void start() {
        sidecar.start();
        reader.close();
        reader = new VolumeReader(new SidecarAddress(sidecar.getPort(), Optional.empty()));
    }

    @AfterEach
    void stop() {
        reader.close();
        sidecar.shutdown();
    }

    @Test
    @DisplayName("A replica's sidecar is asked once, without a token, for what its volume has; what a later sidecar adds is left alone")
    void aListingIsReadFromASidecar() throws Exception {
        sidecar.expect().get().withPath("/v1/snapshots").andReturn(200, LISTING).once();
        List<VolumeListing> found = Collections.synchronizedList(new ArrayList<>());

        reader.list(ADDRESS, found::add);

        await().until(() -> found.size() == 1);
        assertThat(found.getFirst().snapshots()).singleElement().satisfies(entry -> {
            assertThat(entry.id()).isEqualTo("one");
            assertThat(entry.storedBytes()).isEqualTo(4);
            assertThat(entry.pinned()).isTrue();
        });
        assertThat(found.getFirst().refused()).extracting(VolumeListing.Refused::reason)
                .containsExactly("ChecksumMismatch");
        RecordedRequest request = sidecar.takeRequest(1, TimeUnit.SECONDS);
        assertThat(request.getHeader("Authorization")).as("nothing of the cluster is told to a pod").isNull();
        assertThat(sidecar.getRequestCount()).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource({"503,{}", "404,{}", "200,<html>"})
    @DisplayName("An answer that is no listing says nothing about the volume: what is known of it stays")
    void anythingElseIsNoListing(int code, String body) {
        sidecar.expect().get().withPath("/v1/snapshots").andReturn(code, body).once();
        sidecar.expect().get().withPath("/v1/snapshots").andReturn(200, LISTING).once();
        List<VolumeListing> found = Collections.synchronizedList(new ArrayList<>());

        reader.list(ADDRESS, found::add);
        await().until(() -> sidecar.getRequestCount() == 1);
        reader.list(ADDRESS, found::add);

        await().until(() -> !found.isEmpty());
        assertThat(found).as("of two answers").hasSize(1);
    }

    @Test
    @DisplayName("A store pod is asked until its task is done (202, or an error of one that still starts), and told once")
    void aStorePodIsAskedUntilItIsDone() {
        sidecar.expect().get().withPath("/v1/task").andReturn(503, "").once();
        sidecar.expect().get().withPath("/v1/task").andReturn(202, "{}").times(2);
        sidecar.expect()
                .get()
                .withPath("/v1/task")
                .andReturn(200, "{\"freedBytes\": 7, \"errors\": [], \"listing\": " + LISTING + "}")
                .once();
        List<StoreTask.Outcome> outcomes = Collections.synchronizedList(new ArrayList<>());

        reader.await("pod-1", ADDRESS, outcomes::add);
        reader.await("pod-1", ADDRESS, outcomes::add);

        await().until(() -> !outcomes.isEmpty());
        assertThat(outcomes).as("asking twice is asking once").singleElement().satisfies(outcome -> {
            assertThat(outcome.freedBytes()).isEqualTo(7);
            assertThat(outcome.listing().has("one")).isTrue();
        });
        assertThat(sidecar.getRequestCount()).isEqualTo(4);
    }

    @Test
    @DisplayName("A store pod that is gone is not asked any more")
    void aForgottenStorePodIsNotAsked() {
        sidecar.expect().get().withPath("/v1/task").andReturn(202, "{}").always();
        reader.await("pod-1", ADDRESS, outcome -> {
        });
        await().until(() -> sidecar.getRequestCount() > 1);

        reader.forget("pod-1");

        // Three pauses of a reader that would go on; one question may be on its way.
        int asked = sidecar.getRequestCount();
        await().during(600, TimeUnit.MILLISECONDS).until(() -> sidecar.getRequestCount() <= asked + 1);
    }
}
