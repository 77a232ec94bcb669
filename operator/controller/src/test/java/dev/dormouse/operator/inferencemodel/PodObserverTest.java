package dev.dormouse.operator.inferencemodel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.operator.status.ObservedReplica;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class PodObserverTest {
    /** Once: each scans the class path for types. */
    private static final KubernetesSerialization YAML = new KubernetesSerialization();

    private static final Instant NOW = Instant.parse("2026-11-21T00:10:00Z");
    private static final Instant READY_AT = Instant.parse("2026-11-21T00:05:00Z");

    @Test
    void aReportOfReadyIsAheadOfTheKubeletsProbe() {
        assertThat(
                observe("conditions: [{type: Ready, status: \"False\", lastTransitionTime: \"2026-11-21T00:00:00Z\"}]",
                        ReplicaPhase.Ready, SnapshotReport.State.Saved).phase())
                .isEqualTo(Phase.Ready);
    }

    @Test
    void aPodThatFellAfterItsSidecarsLastWordIsNotReady() {
        assertThat(
                observe("conditions: [{type: Ready, status: \"False\", lastTransitionTime: \"2026-11-21T00:05:01Z\"}]",
                        ReplicaPhase.Ready, SnapshotReport.State.Saved).phase())
                .isEqualTo(Phase.Warming);
    }

    @Test
    void withoutAReportThePodSpeaks() {
        assertThat(observe(
                "conditions: [{type: Ready, status: \"True\", lastTransitionTime: \"2026-11-21T00:05:00Z\"}]", null,
                null).phase()).isEqualTo(Phase.Ready);
        assertThat(
                observe("initContainerStatuses: [{name: dormouse-sidecar, state: {running: {}}}]", null, null).phase())
                .isEqualTo(Phase.Warming);
        assertThat(observe("phase: Pending", null, null).phase()).isEqualTo(Phase.Pending);
    }

    @Test
    void anUnschedulablePodSaysSoAndHoldsNoSlot() {
        Replica replica = observe(
                "conditions: [{type: PodScheduled, status: \"False\", reason: Unschedulable, message: no GPU}]",
                null, null);

        assertThat(replica.problem()).isEqualTo(new Replica.Problem("Unschedulable", "no GPU"));
        assertThat(replica.holdsWarmupSlot()).isFalse();
    }

    @Test
    void aCrashLoopTellsHowItLastEnded() {
        Replica replica = observe(
                "containerStatuses: [{name: engine, state: {waiting: {reason: CrashLoopBackOff, message: back-off}},"
                        + " lastState: {terminated: {exitCode: 1, message: \"Traceback:\\n  File x\\nValueError: no such model\\n\\n\"}}}]",
                ReplicaPhase.Starting, null);

        assertThat(replica.problem()).isEqualTo(new Replica.Problem("CrashLoop",
                "engine: back-off; it last ended with exit code 1: ValueError: no such model"));
    }

    @Test
    void anEvictedPodHasFailed() {
        Replica replica = observe("{phase: Failed, reason: Evicted, message: node was low on memory}", null, null);

        assertThat(replica.phase()).isEqualTo(Phase.Failed);
        assertThat(replica.problem()).isEqualTo(new Replica.Problem("Evicted", "node was low on memory"));
    }

    @Test
    void anEngineThatRunsWellBeyondTheDeadlineHasFailed() {
        Replica replica = observe(
                "containerStatuses: [{name: engine, state: {running: {startedAt: \"2026-11-21T00:07:00Z\"}}}]",
                ReplicaPhase.Loading, null);

        assertThat(replica.phase()).isEqualTo(Phase.Failed);
        assertThat(replica.problem()).extracting("reason").isEqualTo("WarmupDeadlineExceeded");
    }

    @Test
    void aCrashLoopHoldsNoWarmupSlotAndIsGivenUpAfterThreeRestarts() {
        String looping = "containerStatuses: [{name: engine, restartCount: %d, state: {waiting: {reason: CrashLoopBackOff}},"
                + " lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]";

        Replica second = observe(looping.formatted(2), ReplicaPhase.Starting, null);
        Replica third = observe(looping.formatted(3), ReplicaPhase.Starting, null);

        assertThat(second.phase()).isEqualTo(Phase.Warming);
        assertThat(second.holdsWarmupSlot()).isFalse();
        assertThat(third.phase()).isEqualTo(Phase.Failed);
        assertThat(third.problem()).extracting("message").asString().contains("OOMKilled", "memory limit");
    }

    @Test
    void aPodOfASilentNodeIsLostWhateverItsSidecarSaidLast() {
        Replica lost = observe("conditions: [{type: ContainersReady, status: \"True\"},"
                + " {type: Ready, status: \"False\", lastTransitionTime: \"2026-11-21T00:09:00Z\"}]",
                ReplicaPhase.Ready, SnapshotReport.State.Saved);

        assertThat(lost.phase()).isEqualTo(Phase.Failed);
        assertThat(lost.problem()).extracting("reason", "blame")
                .containsExactly("NodeLost", Replica.Problem.Blame.Cluster);
    }

    @Test
    void aPodWhoseContainersDoNotStartNamesItsClaimsAndFreesItsSlot() {
        String scheduled = "conditions: [{type: PodScheduled, status: \"True\", lastTransitionTime: \"%s\"}]";

        Replica early = observe(scheduled.formatted("2026-11-21T00:09:30Z"), null, null);
        Replica late = observe(scheduled.formatted("2026-11-21T00:09:00Z"), null, null);

        assertThat(early.problem()).isNull();
        assertThat(late.problem()).extracting("reason").isEqualTo("VolumesNotReady");
        assertThat(late.problem()).extracting("message").asString().contains("claims m-snapshots", "node-1");
        assertThat(late.holdsWarmupSlot()).isFalse();
    }

    @Test
    void aFailureIsNotTakenBackBetweenTwoCrashesButWhenItServesAfterAll() {
        ModelMemory memory = new ModelMemory(new ModelStatus(), "", NOW);
        PodObserver observer = new PodObserver(false, Duration.ofSeconds(60), NOW);
        Pod crashed = pod(
                "containerStatuses: [{name: engine, restartCount: 3, state: {waiting: {reason: CrashLoopBackOff}}}]");
        Pod between = pod("initContainerStatuses: [{name: dormouse-sidecar, state: {running: {}}}]");

        memory.reconsider(List.of(observer.observe(crashed, Optional.empty())));
        List<ObservedReplica> restarted = memory.reconsider(List.of(observer.observe(between, Optional.empty())));
        List<ObservedReplica> serving = memory.reconsider(List.of(observer.observe(between,
                Optional.of(report(ReplicaPhase.Ready, SnapshotReport.State.Skipped)))));

        assertThat(restarted.getFirst().replica().phase()).isEqualTo(Phase.Failed);
        assertThat(restarted.getFirst().replica().problem()).extracting("reason").isEqualTo("CrashLoop");
        assertThat(serving.getFirst().replica().phase()).isEqualTo(Phase.Ready);
    }

    @Test
    void aSnapshotIsSettledWhenTheSidecarIsDoneWithIt() {
        assertThat(settled(SnapshotReport.State.Saving)).isFalse();
        assertThat(settled(SnapshotReport.State.Saved)).isTrue();
        assertThat(settled(SnapshotReport.State.Failed)).isTrue();
        assertThat(settled(SnapshotReport.State.Skipped)).isTrue();
    }

    private static boolean settled(SnapshotReport.State state) {
        PodObserver observer = new PodObserver(true, Duration.ofSeconds(60), READY_AT.plusSeconds(1));
        return observer.observe(pod("phase: Running"), Optional.of(report(ReplicaPhase.Ready, state)))
                .replica()
                .snapshotSettled();
    }

    private static Replica observe(String status, @Nullable ReplicaPhase phase,
            SnapshotReport.@Nullable State snapshot) {
        Optional<SidecarStatus> report = Optional.ofNullable(phase)
                .map(p -> report(p, snapshot == null ? SnapshotReport.State.Absent : snapshot));
        return new PodObserver(true, Duration.ofSeconds(60), NOW).observe(pod(status), report).replica();
    }

    private static Pod pod(String status) {
        return YAML
                .unmarshal(
                        """
                        apiVersion: v1
                        kind: Pod
                        metadata: {name: p, namespace: demo, uid: u, creationTimestamp: "2026-11-21T00:00:00Z"}
                        spec: {nodeName: node-1, volumes: [{name: s, persistentVolumeClaim: {claimName: m-snapshots}}]}
                        status:
                          %s
                        """.formatted(status), Pod.class);
    }

    private static SidecarStatus report(ReplicaPhase phase, SnapshotReport.State snapshot) {
        long readyAt = phase == ReplicaPhase.Ready ? ChronoUnit.MICROS.between(Instant.EPOCH, READY_AT) : 0;
        return new SidecarStatus(1, "i", "u", "demo/m", "1", phase, 0, -1, Rung.Cold, 0, List.of(),
                new SnapshotReport("s", snapshot, 0, 0, 0, null, null), null, 0, 0, 0, 0, readyAt, null, null);
    }
}
