package dev.dormouse.operator.status;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.domain.warmup.Ladder;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.scaling.InitialStart;
import dev.dormouse.domain.warmup.QueuePosition;
import dev.dormouse.operator.desired.SnapshotKey;
import dev.dormouse.operator.inferencemodel.ObservedPods;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.status.ModelView.Rejection;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.Rung;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Every row of {@code docs/troubleshooting.md} is prepared here and read off the conditions, as a user would. */
class TroubleshootingTest {
    /** Once: each scans the class path for types. */
    private static final KubernetesSerialization YAML = new KubernetesSerialization();

    private static final Path TABLE = Path.of("../../docs/troubleshooting.md");
    private static final Instant NOW = Instant.parse("2026-11-21T00:10:00Z");
    private static final Activation AWAKE = new Activation(1, Activation.Reason.Demand, NOW.minusSeconds(540), null);
    private static final Activation SLEPT = AWAKE.endedAt(NOW);
    private static final String NOT_FOUND = "containerStatuses: [{name: engine, state: {waiting: {reason: ErrImagePull, message: \"engine:9: not found\"}}}]";

    private final Map<String, Function<Fault, ModelStatus>> faults = new HashMap<>();

    private record Row(String condition, String reason, String fault, String says) {}

    TroubleshootingTest() {
        pod("the image does not exist", NOT_FOUND);
        pod("the registry wants a password", waiting("ImagePullBackOff", "pull access denied, may require login"));
        pod("the image's name is not one", waiting("InvalidImageName", "couldn't parse image name \\\"a b\\\""));
        pod("a secret of the engine's environment is missing",
                waiting("CreateContainerConfigError", "secret \\\"token\\\" not found"));
        pod("no GPU is free", unscheduled("Unschedulable", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."));
        pod("a taint keeps the pod off every GPU node",
                unscheduled("Unschedulable", "0/3 nodes are available: 3 node(s) had untolerated taint {gpu: only}."));
        pod("an admission webhook gates the pod",
                unscheduled("SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"));
        pod("the volume is attached to another node",
                "conditions: [{type: PodScheduled, status: \"True\", lastTransitionTime: \"2026-11-21T00:08:00Z\"}]");
        pod("a Secret with the snapshots' keys is missing",
                "conditions: [{type: PodScheduled, status: \"True\", lastTransitionTime: \"2026-11-21T00:08:00Z\"}]");
        pod("a key of the snapshots is none",
                "initContainerStatuses: [{name: dormouse-sidecar, restartCount: 1, state: {waiting: {reason:"
                        + " CrashLoopBackOff}}, lastState: {terminated: {exitCode: 2, message: \"dormouse sidecar:"
                        + " /etc/dormouse/keys/signing/ci.pem is no Ed25519 private key\"}}}]");
        faults.put("the Secret holds another key than the one that wrapped the volume's",
                fault -> fault.status(AWAKE, report(ReplicaPhase.Ready,
                        new SnapshotReport(null, SnapshotReport.State.Failed, 0, 0, 0, "WrongKey",
                                "volume 'demo/m-snapshots': wrapping key 'k1' does not open its key"),
                        List.of())));
        pod("the engine ends at once", "containerStatuses: [{name: engine, restartCount: 1, state: {waiting: {reason:"
                + " CrashLoopBackOff}}, lastState: {terminated: {exitCode: 2}}}]");
        pod("the engine is killed for its memory",
                "containerStatuses: [{name: engine, restartCount: 4, state: {waiting:"
                        + " {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]");
        pod("the node vanished", "conditions: [{type: Ready, status: \"False\", reason: NodeNotReady}]");
        pod("the node was short of memory or disk", ended("Evicted", "The node was low on resource: memory."));
        pod("the GPU broke between scheduling and start",
                ended("UnexpectedAdmissionError", "Allocate failed due to no healthy devices present"));
        pod("the node is shutting down",
                ended("Terminated", "Pod was terminated in response to imminent node shutdown."));
        faults.put("the kernels do not compile", fault -> fault.status(AWAKE, report(ReplicaPhase.Failed,
                SnapshotReport.ABSENT, List.of(new PhaseTiming(PhaseTiming.KERNEL_COMPILE, PhaseTiming.State.Failed, 5,
                        "out of memory")))));
        faults.put("the restored model answers the canary otherwise", fault -> fault.status(AWAKE,
                new SidecarStatus(1, "i", "u", "demo/m", "1", ReplicaPhase.Failed, 0, -1, Rung.Volume, 0, List.of(),
                        new SnapshotReport("s", SnapshotReport.State.Quarantined, 0, 0, 0, "CanaryMismatch",
                                "/data/0 was 0.5 and is 0.7"),
                        null, 0, 0, 0, 0, 0, "CanaryMismatch", "the canary: /data/0 was 0.5 and is 0.7")));
        pod("the engine hangs",
                "containerStatuses: [{name: engine, state: {running: {startedAt: \"2026-11-21T00:01:00Z\"}}}]");
        faults.put("three first starts failed", fault -> fault.with(InitialStart.Failed).status(SLEPT, null));
        faults.put("the last wake was stuck and the model sleeps again",
                fault -> fault.after(fault.pod(NOT_FOUND).status(AWAKE, null)).pod(null).status(SLEPT, null));
        faults.put("a claim named in the spec does not exist",
                fault -> fault.uri("pvc://weights/m").status(AWAKE, null));
        faults.put("a GpuPool named in the spec does not exist",
                fault -> fault.pool("a100").status(AWAKE, null));
        faults.put("no node of the pool has as many GPUs free",
                fault -> fault.after(wokenBefore())
                        .queued(new QueuePosition(1,
                                "it needs 2 nvidia.com/gpu on one node; pool a100 has 2 on 1 node, 2 in use"))
                        .status(AWAKE, null));
        faults.put("the model's address has a scheme that nobody knows",
                fault -> fault.uri("s3://bucket/m").status(null, null));
        faults.put("the model's path leaves its claim", fault -> fault.uri("pvc://weights/../m").status(null, null));
        faults.put("the model's name leaves no room for its pods'",
                fault -> fault.name("m".repeat(60)).status(null, null));
        faults.put("the API server refuses the pod as malformed", fault -> fault.rejected("InvalidPodTemplate",
                "Pod \"m-x\" is invalid: spec.containers[0].image: Required value"));
        faults.put("a policy refuses the pod",
                fault -> fault.rejected("PodForbidden",
                        "pods \"m-x\" is forbidden: violates PodSecurity \"restricted\""));
        faults.put("an admission webhook does not answer", fault -> fault.rejected("WebhookFailed",
                "Internal error occurred: failed calling webhook \"gate.example.com\": connection refused"));
        faults.put("the namespace's quota is full",
                fault -> fault.rejected("QuotaExceeded", "pods \"m-x\" is forbidden: exceeded quota: gpus"));
        faults.put("other models warm up first",
                fault -> fault.queued(new QueuePosition(3, "4 of 4 warmup slots are in use")).status(AWAKE, null));
        faults.put("other models wake first", fault -> fault.after(wokenBefore())
                .queued(new QueuePosition(2, "4 of 4 warmup slots are in use"))
                .status(AWAKE, null));
        faults.put("the snapshot is damaged", fault -> fault.status(AWAKE, report(ReplicaPhase.Loading,
                new SnapshotReport("s", SnapshotReport.State.Quarantined, 0, 0, 0, "ChecksumMismatch",
                        "chunk 7 of weights differs"),
                List.of())));
        faults.put("the snapshot's volume is full", fault -> fault.status(AWAKE, report(ReplicaPhase.Ready,
                new SnapshotReport("s", SnapshotReport.State.Failed, 0, 0, 0, "VolumeFull",
                        "no space left on the volume"),
                List.of())));
        faults.put("the restore took too long", fault -> fault.status(AWAKE, loading(SnapshotReport.State.Failed,
                "RestoreDeadlineExceeded", "7 of 9 bytes were restored within 30 s")));
        faults.put("the last replica hung after its restore",
                fault -> fault.status(AWAKE, loading(SnapshotReport.State.Skipped, "FromSource",
                        Ladder.climb(Duration.ofSeconds(60), true,
                                Optional.of(new Ladder.Fall(Ladder.Rung.Volume, true))).why().orElseThrow())));
        faults.put("snapshots are switched off", fault -> fault.snapshots(false).status(null, null));
        faults.put("the last wake took longer than wished",
                fault -> fault.status(AWAKE, report(ReplicaPhase.Ready, SnapshotReport.ABSENT, List.of())));
    }

    /** A replica that loads from its source, and why. */
    private static SidecarStatus loading(SnapshotReport.State state, String reason, String message) {
        return new SidecarStatus(1, "i", "u", "demo/m", "1", ReplicaPhase.Loading, 0, -1, Rung.Cold, 0, List.of(),
                SnapshotReport.ABSENT, new SnapshotReport("s", state, 0, 0, 0, reason, message), 0, 0, 0, 0, 0, null,
                null);
    }

    @TestFactory
    Stream<DynamicTest> everyRowIsReadOffTheConditions() throws IOException {
        return rows().stream().map(row -> DynamicTest.dynamicTest(row.fault(), () -> {
            Function<Fault, ModelStatus> prepared = Objects.requireNonNull(faults.get(row.fault()),
                    "no fault is prepared for \"" + row.fault() + "\"");

            ModelStatus status = prepared.apply(new Fault());

            Condition condition = Conditions.find(status.conditions, row.condition()).orElseThrow();
            assertThat(condition.getReason()).isEqualTo(row.reason());
            assertThat(condition.getMessage()).contains(row.says());
        }));
    }

    @Test
    void everyPreparedFaultHasItsRowAndThereAreAtLeastTwenty() throws IOException {
        assertThat(rows()).extracting(Row::fault)
                .containsExactlyInAnyOrderElementsOf(faults.keySet())
                .hasSizeGreaterThanOrEqualTo(20);
    }

    private static List<Row> rows() throws IOException {
        return Files.readAllLines(TABLE)
                .stream()
                .filter(line -> line.startsWith("| ") && !line.startsWith("| condition"))
                .map(line -> Arrays.stream(line.split("\\|")).map(cell -> cell.strip().replace("`", "")).toList())
                .map(cells -> new Row(cells.get(1), cells.get(2), cells.get(3), cells.get(4)))
                .toList();
    }

    private void pod(String fault, String podStatus) {
        faults.put(fault, prepared -> prepared.pod(podStatus).status(AWAKE, null));
    }

    private static String waiting(String reason, String message) {
        return "containerStatuses: [{name: engine, state: {waiting: {reason: %s, message: \"%s\"}}}]".formatted(reason,
                message);
    }

    private static String unscheduled(String reason, String message) {
        return "conditions: [{type: PodScheduled, status: \"False\", reason: %s, message: \"%s\"}]".formatted(reason,
                message);
    }

    private static String ended(String reason, String message) {
        return "{phase: Failed, reason: %s, message: \"%s\"}".formatted(reason, message);
    }

    private static ModelStatus wokenBefore() {
        ModelStatus before = new ModelStatus();
        before.lastWake = new ModelStatus.LastWake("2026-11-20T00:00:00.000000Z", "Volume", 1L, null, null, null,
                "m-x");
        return before;
    }

    private static SidecarStatus report(ReplicaPhase phase, SnapshotReport snapshot, List<PhaseTiming> phases) {
        long readyAt = phase == ReplicaPhase.Ready
                ? ChronoUnit.MICROS.between(Instant.EPOCH, AWAKE.startedAt().plusSeconds(9))
                : 0;
        return new SidecarStatus(1, "i", "u", "demo/m", "1", phase, 0, -1, Rung.Cold, 0, phases, snapshot, null, 0, 0,
                0,
                readyAt, readyAt, null, null);
    }

    /** A model and what became of it, as far as one fault needs. */
    private static final class Fault {
        private String name = "m";
        private String uri = "file:///m";
        private String pool = "null";
        private boolean snapshots = true;
        private @Nullable String podStatus;
        private ModelStatus previous = new ModelStatus();
        private InitialStart initialStart = InitialStart.Never;
        private Optional<QueuePosition> queue = Optional.empty();
        private Optional<Rejection> rejection = Optional.empty();

        Fault name(String value) {
            name = value;
            return this;
        }

        Fault uri(String value) {
            uri = value;
            return this;
        }

        Fault pool(String value) {
            pool = value;
            return this;
        }

        Fault snapshots(boolean value) {
            snapshots = value;
            return this;
        }

        Fault pod(@Nullable String value) {
            podStatus = value;
            return this;
        }

        Fault after(ModelStatus value) {
            previous = value;
            return this;
        }

        Fault with(InitialStart value) {
            initialStart = value;
            return this;
        }

        Fault queued(QueuePosition value) {
            queue = Optional.of(value);
            return this;
        }

        ModelStatus rejected(String reason, String message) {
            rejection = Optional.of(new Rejection(new Problem(reason, message), false));
            return status(AWAKE, null);
        }

        ModelStatus status(@Nullable Activation activation, @Nullable SidecarStatus report) {
            InferenceModel model = YAML
                    .unmarshal("""
                               apiVersion: dormouse.dev/v1alpha1
                               kind: InferenceModel
                               metadata: {name: %s, namespace: demo, uid: u, generation: 1}
                               spec:
                                 pool: %s
                                 model: {uri: "%s"}
                                 engine: {image: "i"}
                                 snapshot: {enabled: %s}
                                 warmup: {deadlineSeconds: 60}
                               """.formatted(name, pool, uri, snapshots), InferenceModel.class);
            List<ObservedReplica> replicas = podStatus == null && report == null
                    ? List.of()
                    : List.of(ObservedPods.of(podStatus == null ? "phase: Running" : podStatus, report, NOW));
            return ModelStatusFactory
                    .of(new ModelView(model, previous, ResolvedModel.of(model, claim -> false, pool -> false),
                            activation, "a request asked for it", initialStart, replicas, 1, queue, 0,
                            SnapshotKey.of(model.getSpec()), "", rejection, NOW));
        }
    }
}
