package dev.dormouse.sidecar.agent;

import static dev.dormouse.sidecar.agent.FakeEngine.HELLO;
import static dev.dormouse.sidecar.agent.FakeEngine.PROBE;
import static dev.dormouse.sidecar.agent.FakeEngine.READY;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.agent.AgentConfig.WarmupSettings;
import dev.dormouse.sidecar.api.EngineMessage;
import dev.dormouse.sidecar.api.EngineMessage.Mode;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.PhaseTiming.State;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.client.EngineClient;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@DisplayName("Warmup")
class WarmupTest {
    @TempDir
    private Path folder;

    private FakeEngine engine;

    @BeforeEach
    void startEngine() throws IOException {
        engine = new FakeEngine();
    }

    @AfterEach
    void stopEngine() {
        engine.close();
    }

    @Test
    @DisplayName("reports its five phases in their fixed order, whatever order the engine has (H23, H27, H36)")
    void reportsPhasesInTheirOrder() throws IOException {
        SidecarStatus ready = warmUp(TestSidecar.WARMUP, READY);

        assertThat(ready.phases()).extracting(PhaseTiming::name).isEqualTo(PhaseTiming.NAMES);
        assertThat(ready.phases()).extracting(PhaseTiming::state).containsOnly(State.Done);
        assertThat(ready.phases().subList(0, 4)).extracting(PhaseTiming::micros).containsExactly(10L, 20L, 30L, 40L);
    }

    @Test
    @DisplayName("sends batchSize items in each of its iterations and reports both numbers it measured (H67, H14, H13)")
    void sendsBatchSizeItemsInEachIteration() throws IOException {
        SidecarStatus ready = warmUp(new WarmupSettings(true, true, true, 3, 4, Duration.ofSeconds(60)), READY);

        assertThat(engine.requests()).hasSize(4).allSatisfy(request -> {
            assertThat(request.get("input")).hasSize(3)
                    .allSatisfy(item -> assertThat(item.asText()).isEqualTo(PROBE.item()));
        });
        assertThat(ready.warmupIterations()).isEqualTo(4);
        assertThat(ready.firstInferenceMicros()).isPositive();
        assertThat(ready.phases().getLast().micros()).isGreaterThanOrEqualTo(ready.firstInferenceMicros());
    }

    @Test
    @DisplayName("reports the memory in use afterwards: the sidecar's and the engine's own (H15)")
    void reportsMemory() throws IOException {
        AgentConfig config = TestSidecar.config(folder, engine, TestSidecar.WARMUP);
        try (TestSidecar sidecar = TestSidecar.start(config); EngineClient client = FakeEngine.connect(config, HELLO)) {
            FakeEngine.load(client, folder);
            client.ready(READY);

            assertThat(sidecar.await(ReplicaPhase.Ready).memoryBytes())
                    .isEqualTo(sidecar.device().usedBytes() + READY.memoryBytes());
        }
    }

    @Test
    @DisplayName("shows phases that are switched off as Skipped, also those the engine ran (H3–H5, H24–H26, H29)")
    void showsSwitchedOffPhasesAsSkipped() throws IOException {
        SidecarStatus ready = warmUp(new WarmupSettings(true, false, false, 1, 1, Duration.ofSeconds(60)), READY);

        assertThat(ready.phases()).extracting(PhaseTiming::state)
                .containsExactly(State.Done, State.Skipped, State.Skipped, State.Done, State.Done);
        assertThat(ready.phases().subList(1, 3)).extracting(PhaseTiming::micros).containsOnly(0L);
    }

    @Test
    @DisplayName("leaves weights to the engine when they are not to be preloaded (H3)")
    void leavesWeightsToTheEngine() throws IOException {
        AgentConfig config = TestSidecar.config(folder, engine,
                new WarmupSettings(false, true, true, 1, 1, Duration.ofSeconds(60)));
        try (TestSidecar sidecar = TestSidecar.start(config); EngineClient client = FakeEngine.connect(config, HELLO)) {
            assertThat(client.welcome().mode()).isEqualTo(Mode.Bypass);
            client.ready(READY);

            SidecarStatus ready = sidecar.await(ReplicaPhase.Ready);

            assertThat(ready.phases().getFirst()).isEqualTo(PhaseTiming.skipped(PhaseTiming.WEIGHT_LOAD));
            assertThat(ready.snapshot().state()).isEqualTo(SnapshotReport.State.Skipped);
            assertThat(ready.snapshot().reason()).isEqualTo("Disabled");
            assertThat(TestSidecar.snapshots(config)).isEmpty();
        }
    }

    @Test
    @DisplayName("shows the inference as Skipped when the engine offers no request for it")
    void showsTheInferenceAsSkippedWithoutAProbe() throws IOException {
        SidecarStatus ready = warmUp(TestSidecar.WARMUP, new EngineMessage.Ready(List.of(), null, 0));

        assertThat(ready.phases()).extracting(PhaseTiming::state).containsOnly(State.Skipped);
        assertThat(ready.phases()).extracting(PhaseTiming::name).isEqualTo(PhaseTiming.NAMES);
        assertThat(ready.warmupIterations()).isZero();
        assertThat(engine.requests()).isEmpty();
    }

    @Test
    @DisplayName("that fails ends with the phase's time and error, keeps earlier phases, and saves nothing (H30, H31)")
    void endsWithThePhasesError() throws IOException {
        AgentConfig config = TestSidecar.config(folder, engine, TestSidecar.WARMUP);
        engine.answerWith(500);
        try (TestSidecar sidecar = TestSidecar.start(config); EngineClient client = FakeEngine.connect(config, HELLO)) {
            FakeEngine.load(client, folder);
            client.ready(READY);

            SidecarStatus failed = sidecar.await(ReplicaPhase.Failed);

            assertThat(failed.reason()).isEqualTo("WarmupFailed/warmup_inference");
            assertThat(failed.message()).isEqualTo("warmup request /v1/embeddings was answered 500: {\"said\":\"hm\"}");
            assertThat(failed.phases()).extracting(PhaseTiming::state)
                    .containsExactly(State.Done, State.Done, State.Done, State.Done, State.Failed);
            assertThat(failed.phases().getLast().error()).isEqualTo(failed.message());
            assertThat(failed.phases().getLast().micros()).isPositive();
            assertThat(engine.requests()).as("the second iteration is not tried").hasSize(1);
            assertThat(TestSidecar.snapshots(config)).isEmpty();
        }
    }

    @Test
    @DisplayName("begins anew with the engine's next start: nothing of the failed one is left (H65)")
    void beginsAnewWithTheNextStart() throws IOException {
        AgentConfig config = TestSidecar.config(folder, engine, TestSidecar.WARMUP);
        try (TestSidecar sidecar = TestSidecar.start(config)) {
            engine.answerWith(500);
            try (EngineClient client = FakeEngine.connect(config, HELLO)) {
                client.ready(READY);
                sidecar.await(ReplicaPhase.Failed);
            }

            engine.answerWith(200);
            try (EngineClient client = FakeEngine.connect(config, HELLO)) {
                SidecarStatus begun = sidecar.status();
                assertThat(begun.phase()).isEqualTo(ReplicaPhase.Loading);
                assertThat(begun.phases()).isEmpty();
                assertThat(begun.reason()).isNull();
                client.ready(READY);

                SidecarStatus ready = sidecar.await(ReplicaPhase.Ready);
                assertThat(ready.phases()).hasSize(5).extracting(PhaseTiming::state).containsOnly(State.Done);
                assertThat(ready.message()).isNull();
            }
        }
    }

    @Test
    @DisplayName("that hangs is cut at its deadline, and the next attempt has the whole time again (H66, H65)")
    void isCutAtItsDeadline() throws IOException {
        AgentConfig config = TestSidecar.config(folder, engine,
                new WarmupSettings(true, true, true, 1, 2, Duration.ofSeconds(2)));
        try (TestSidecar sidecar = TestSidecar.start(config)) {
            engine.hang(true);
            try (EngineClient client = FakeEngine.connect(config, HELLO)) {
                client.ready(READY);

                SidecarStatus failed = sidecar.await(ReplicaPhase.Failed);
                assertThat(failed.reason()).isEqualTo("DeadlineExceeded");
                assertThat(failed.message()).contains("phase Warming was not over after 2 s");
                assertThat(engine.requests()).hasSize(1);
            }

            engine.hang(false);
            try (EngineClient client = FakeEngine.connect(config, HELLO)) {
                client.ready(READY);
                sidecar.await(ReplicaPhase.Ready);
                assertThat(engine.requests()).hasSize(3);
            }

            engine.hang(true);
            try (EngineClient client = FakeEngine.connect(config, HELLO)) {
                client.ready(READY);
                assertThat(sidecar.await(ReplicaPhase.Failed).reason()).isEqualTo("DeadlineExceeded");
            }
        }
    }

    @Test
    @DisplayName("fails at its deadline also when no engine ever comes (H66)")
    void failsWhenNoEngineComes() throws IOException {
        AgentConfig config = TestSidecar.config(folder, engine,
                new WarmupSettings(true, true, true, 1, 2, Duration.ofSeconds(1)));
        try (TestSidecar sidecar = TestSidecar.start(config)) {
            SidecarStatus failed = sidecar.await(ReplicaPhase.Failed);

            assertThat(failed.reason()).isEqualTo("DeadlineExceeded");
            assertThat(failed.message()).contains("phase Loading");
        }
    }

    @Test
    @DisplayName("ends when its engine goes away: the replica is not Ready without one")
    void endsWhenItsEngineGoesAway() throws IOException {
        AgentConfig config = TestSidecar.config(folder, engine, TestSidecar.WARMUP);
        try (TestSidecar sidecar = TestSidecar.start(config)) {
            try (EngineClient client = FakeEngine.connect(config, HELLO)) {
                client.ready(READY);
                sidecar.await(ReplicaPhase.Ready);
            }

            SidecarStatus alone = sidecar.await(ReplicaPhase.Loading);

            assertThat(alone.readyAtEpochMicros()).isZero();
            assertThat(alone.phases()).isEmpty();
        }
    }

    private SidecarStatus warmUp(WarmupSettings settings, EngineMessage.Ready ready) throws IOException {
        AgentConfig config = TestSidecar.config(folder, engine, settings);
        try (TestSidecar sidecar = TestSidecar.start(config); EngineClient client = FakeEngine.connect(config, HELLO)) {
            client.ready(ready);
            return sidecar.await(ReplicaPhase.Ready);
        }
    }
}
