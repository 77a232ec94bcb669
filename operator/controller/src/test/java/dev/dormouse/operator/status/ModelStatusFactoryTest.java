package dev.dormouse.operator.status;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.scaling.InitialStart;
import dev.dormouse.operator.desired.SnapshotKey;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.resolve.ResolvedModel.Resolved;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class ModelStatusFactoryTest {
    /** Once: each scans the class path for types. */
    private static final KubernetesSerialization YAML = new KubernetesSerialization();

    private static final Instant WOKEN = Instant.parse("2026-11-21T00:00:00.500Z");
    private static final Activation AWAKE = new Activation(1, Activation.Reason.Demand, WOKEN, null);
    private static final String TEMPLATE = "t";

    private final InferenceModel model = YAML
            .unmarshal("""
                       apiVersion: dormouse.dev/v1alpha1
                       kind: InferenceModel
                       metadata: {name: m, namespace: demo, uid: u, generation: 4}
                       spec:
                         model: {uri: "file:///m"}
                         engine: {image: "i"}
                         warmup: {targetColdStartMs: 100, maxWarmupMs: 50}
                       """, InferenceModel.class);

    @Test
    @DisplayName("H17: before the first wake the target is neither met nor missed")
    void theTargetIsUnknownBeforeTheFirstWake() {
        ModelStatus status = status(new ModelStatus(), null, WOKEN);

        assertThat(condition(status, Conditions.COLD_START_TARGET_MET).getStatus()).isEqualTo("Unknown");
    }

    @Test
    @DisplayName("H16, H60: a wake of exactly the target meets it; one millisecond more does not")
    void theTargetIsInclusive() {
        assertThat(target(status(new ModelStatus(), AWAKE, WOKEN.plusSeconds(9), ready(WOKEN.plusMillis(100), 1))))
                .isEqualTo("True");
        assertThat(target(status(new ModelStatus(), AWAKE, WOKEN.plusSeconds(9), ready(WOKEN.plusMillis(101), 1))))
                .isEqualTo("False");
    }

    @Test
    @DisplayName("H13, H18, X4: the whole wake is judged, not its first inference")
    void theWholeWakeIsJudged() {
        ModelStatus status = status(new ModelStatus(), AWAKE, WOKEN.plusSeconds(9), ready(WOKEN.plusMillis(5000), 1));

        ModelStatus.LastWake wake = Objects.requireNonNull(status.lastWake);
        assertThat(wake.firstInferenceMicros()).isEqualTo(80_000L);
        assertThat(wake.coldStartMs()).isEqualTo(5000L);
        assertThat(target(status)).isEqualTo("False");
    }

    @Test
    void aWakeIsToldOncePerActivation() {
        ModelStatus first = status(new ModelStatus(), AWAKE, WOKEN.plusSeconds(9), ready(WOKEN.plusMillis(100), 1));

        ModelStatus second = status(first, AWAKE, WOKEN.plusSeconds(60), ready(WOKEN.plusSeconds(50), 1));

        assertThat(second.lastWake).isEqualTo(first.lastWake);
    }

    @Test
    void conditionsKeepTheirTimeUntilTheirStatusChanges() {
        ModelStatus asleep = status(new ModelStatus(), null, WOKEN);
        ModelStatus later = status(asleep, null, WOKEN.plusSeconds(60));
        ModelStatus serving = status(later, AWAKE, WOKEN.plusSeconds(120), ready(WOKEN.plusMillis(100), 1));

        assertThat(later.conditions).isEqualTo(asleep.conditions);
        assertThat(condition(serving, Conditions.SERVING).getLastTransitionTime()).isEqualTo("2026-11-21T00:02:00Z");
        assertThat(condition(serving, Conditions.READY).getLastTransitionTime()).as("Ready was and is True")
                .isEqualTo("2026-11-21T00:00:00Z");
        assertThat(serving.conditions).extracting(Condition::getObservedGeneration).containsOnly(4L);
        assertThat(serving.observedGeneration).isEqualTo(4L);
    }

    @Test
    @DisplayName("Every reason fits the pattern that the API of conditions demands")
    void reasonsAreCamelCase() {
        assertThat(status(new ModelStatus(), AWAKE, WOKEN.plusSeconds(9), ready(WOKEN, 1)).conditions)
                .extracting(Condition::getReason)
                .allMatch(reason -> reason.matches("[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"));
    }

    @Test
    @DisplayName("H2, H33, H64: a warmup longer than maxWarmupMs is an event, one of exactly that is not")
    void aSlowWarmupIsAnEvent() {
        ObservedReplica slow = ready(WOKEN.plusMillis(200), 51);
        ObservedReplica justInTime = ready(WOKEN.plusMillis(200), 50);
        ModelStatus status = status(new ModelStatus(), AWAKE, WOKEN.plusSeconds(9), slow);

        assertThat(ModelEvent.between(new ModelStatus(), status, List.of(slow), model.getSpec()))
                .extracting(ModelEvent::reason)
                .contains("WarmupSlow", "WakeStarted", "Woke");
        assertThat(ModelEvent.between(new ModelStatus(), status, List.of(justInTime), model.getSpec()))
                .extracting(ModelEvent::reason)
                .doesNotContain("WarmupSlow");
    }

    @Test
    @DisplayName("H9–H15, H23, H29, H30, H36, H74: status tells every phase in its order, in microseconds, the skipped and the failed one with its error, the whole, the iterations and the memory")
    void everyPhaseIsTold() {
        List<PhaseTiming> phases = List.of(PhaseTiming.done(PhaseTiming.WEIGHT_LOAD, 350),
                PhaseTiming.skipped(PhaseTiming.POOL_ALLOC), PhaseTiming.done(PhaseTiming.KERNEL_COMPILE, 12_000),
                PhaseTiming.done(PhaseTiming.CUSTOM_INIT, 1),
                new PhaseTiming(PhaseTiming.WARMUP_INFERENCE, PhaseTiming.State.Failed, 9_000, "no kernel image"));
        long begin = ChronoUnit.MICROS.between(Instant.EPOCH, WOKEN);
        SidecarStatus report = new SidecarStatus(1, "i", "uid", "demo/m", "1", ReplicaPhase.Ready, 100, 0, Rung.Cold,
                0, phases, SnapshotReport.ABSENT, null, 4096, 3, 80_000, begin, begin + 21_351, null, null);

        ModelStatus.WarmupStatus told = Objects.requireNonNull(status(new ModelStatus(), AWAKE, WOKEN.plusSeconds(9),
                new ObservedReplica(ready(WOKEN.plusMillis(22), 1).replica(), Optional.of(report), "1")).warmup);

        assertThat(told.phases()).extracting(ModelStatus.Phase::name).isEqualTo(PhaseTiming.NAMES);
        assertThat(told.phases()).extracting(ModelStatus.Phase::micros).containsExactly(350L, 0L, 12_000L, 1L, 9_000L);
        assertThat(told.phases()).extracting(ModelStatus.Phase::state)
                .containsExactly("Done", "Skipped", "Done", "Done", "Failed");
        assertThat(told.phases()).extracting(ModelStatus.Phase::error)
                .containsExactly(null, null, null, null, "no kernel image");
        assertThat(told.totalMicros()).isEqualTo(21_351L);
        assertThat(told.firstInferenceMicros()).isEqualTo(80_000L);
        assertThat(told.iterations()).isEqualTo(3);
        assertThat(told.memoryBytes()).isEqualTo(4096L);
    }

    @Test
    void aSnapshotOfAnOlderSpecDoesNotCount() {
        ModelStatus previous = new ModelStatus();
        previous.snapshot = new ModelStatus.SnapshotStatus("s", "Saved", 1L, 1L, "another key", null, null);

        ModelStatus status = status(previous, null, WOKEN);

        assertThat(condition(status, Conditions.SNAPSHOT_READY).getReason()).isEqualTo("NotTaken");
        assertThat(status.rung).isEqualTo("Cold");
    }

    private ModelStatus status(ModelStatus previous, @Nullable Activation activation, Instant now,
            ObservedReplica... replicas) {
        Resolved resolved = (Resolved) ResolvedModel.of(model, claim -> true, pool -> true);
        return ModelStatusFactory.of(new ModelView(model, previous, resolved, activation, "because", InitialStart.Never,
                List.of(replicas), 1, Optional.empty(), 0, SnapshotKey.of(model.getSpec()), TEMPLATE, Optional.empty(),
                now));
    }

    private static ObservedReplica ready(Instant at, long warmupMillis) {
        long readyMicros = ChronoUnit.MICROS.between(Instant.EPOCH, at);
        SidecarStatus report = new SidecarStatus(1, "i", "uid", "demo/m", "1", ReplicaPhase.Ready, 100, 0, Rung.Volume,
                10,
                List.of(PhaseTiming.done(PhaseTiming.WARMUP_INFERENCE, 80_000)), SnapshotReport.ABSENT, null, 1, 1,
                80_000,
                readyMicros - warmupMillis * 1000, readyMicros, null, null);
        return new ObservedReplica(new Replica("m-x", "uid", TEMPLATE, Phase.Ready, false,
                WOKEN.truncatedTo(ChronoUnit.SECONDS), at, true, null), Optional.of(report), "1");
    }

    private static String target(ModelStatus status) {
        return condition(status, Conditions.COLD_START_TARGET_MET).getStatus();
    }

    private static Condition condition(ModelStatus status, String type) {
        return Conditions.find(status.conditions, type).orElseThrow();
    }
}
