package dev.dormouse.operator.sidecar;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.io.IOException;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class SidecarFollowerTest {
    private static final ModelKey MODEL = new ModelKey("demo", "m");
    private static final String IP = "127.0.0.1";

    private final Queue<ModelKey> changes = new ConcurrentLinkedQueue<>();
    private FakeSidecar sidecar;
    private SidecarFollower follower;

    @BeforeEach
    void start() throws IOException {
        sidecar = new FakeSidecar(IP, 0, "uid");
        follower = new SidecarFollower(new SidecarAddress(sidecar.port(), Optional.empty()), changes::add);
    }

    @AfterEach
    void stop() {
        follower.close();
        sidecar.close();
    }

    @Test
    void eachReportIsKeptAndToldOnOneConnection() {
        sidecar.say(ReplicaPhase.Starting);
        follower.follow("uid", IP, MODEL);
        follower.follow("uid", IP, MODEL);
        await().until(() -> phase().equals(Optional.of(ReplicaPhase.Starting)));

        sidecar.say(ReplicaPhase.Ready);

        await().until(() -> phase().equals(Optional.of(ReplicaPhase.Ready)));
        assertThat(changes).hasSize(2).containsOnly(MODEL);
        assertThat(sidecar.connections()).isEqualTo(1);
    }

    @Test
    void aConnectionThatEndsIsMadeAgainAndTheLastReportStays() {
        sidecar.say(ReplicaPhase.Loading);
        follower.follow("uid", IP, MODEL);
        await().until(() -> phase().isPresent());

        sidecar.hangUp();

        assertThat(phase()).contains(ReplicaPhase.Loading);
        await().until(() -> sidecar.connections() > 1);
        sidecar.say(ReplicaPhase.Ready);
        await().until(() -> phase().equals(Optional.of(ReplicaPhase.Ready)));
    }

    @Test
    void aSidecarThatIsNotThereYetIsTriedUntilItIs() throws IOException {
        int port = sidecar.port();
        sidecar.close();
        follower.follow("uid", IP, MODEL);

        sidecar = new FakeSidecar(IP, port, "uid");
        sidecar.say(ReplicaPhase.Restoring);

        await().until(() -> phase().equals(Optional.of(ReplicaPhase.Restoring)));
    }

    @Test
    void theReportOfAnotherPodThatGotTheAddressIsNotTaken() throws IOException {
        int port = sidecar.port();
        sidecar.close();
        sidecar = new FakeSidecar(IP, port, "somebody else");
        sidecar.say(ReplicaPhase.Ready);

        follower.follow("uid", IP, MODEL);

        await().until(() -> sidecar.connections() > 0);
        sidecar.hangUp();
        await().until(() -> sidecar.connections() > 1);
        assertThat(phase()).isEmpty();
        assertThat(changes).isEmpty();
    }

    @Test
    void aLineThatIsNoStatusIsSkipped() {
        follower.follow("uid", IP, MODEL);
        await().until(() -> sidecar.connections() > 0);

        sidecar.sayLine("{\"phase\":");
        sidecar.say(ReplicaPhase.Warming);

        await().until(() -> phase().equals(Optional.of(ReplicaPhase.Warming)));
    }

    @Test
    void podsThatAreGoneAreForgotten() {
        sidecar.say(ReplicaPhase.Ready);
        follower.follow("uid", IP, MODEL);
        await().until(() -> phase().isPresent());

        follower.retain(MODEL, Set.of());

        assertThat(phase()).isEmpty();
    }

    private Optional<ReplicaPhase> phase() {
        return follower.report("uid").map(SidecarStatus::phase);
    }
}
