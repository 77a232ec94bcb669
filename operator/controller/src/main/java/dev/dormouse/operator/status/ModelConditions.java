package dev.dormouse.operator.status;

import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.api.v1alpha1.ModelStatus.LastWake;
import dev.dormouse.api.v1alpha1.ModelStatus.SnapshotStatus;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.domain.scaling.InitialStart;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.status.Conditions.Verdict;
import io.fabric8.kubernetes.api.model.Condition;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What the conditions say. {@code Ready} answers whether the next request would be served, and if not, why. */
final class ModelConditions {
    private final ModelView view;
    private final InferenceModelSpec spec;
    private final Optional<ObservedReplica> leading;
    private final int ready;

    private ModelConditions(ModelView view, Optional<ObservedReplica> leading, int ready) {
        this.view = view;
        this.spec = view.model().getSpec();
        this.leading = leading;
        this.ready = ready;
    }

    /**
     * @param leading the most telling live replica
     * @param ready replicas that answer requests
     * @param status everything but its conditions
     */
    static List<Condition> of(ModelView view, Optional<ObservedReplica> leading, int ready, ModelStatus status) {
        return new ModelConditions(view, leading, ready).judge(status).list();
    }

    private Conditions judge(ModelStatus status) {
        Long generation = view.model().getMetadata().getGeneration();
        Conditions conditions = new Conditions(view.previous().conditions, generation == null ? 0 : generation,
                view.now());
        addReady(conditions, status);
        boolean missing = view.resolved() instanceof ResolvedModel.Missing;
        conditions.add(Conditions.RECONCILING, Verdict.of(missing),
                view.resolved() instanceof ResolvedModel.Missing m ? m.reason() : "UpToDate",
                missing ? "waits for what is missing" : "");
        addStalled(conditions);
        conditions.add(Conditions.SERVING, Verdict.of(ready > 0),
                ready > 0 ? "Serving" : view.awake() ? "Waking" : "Asleep",
                ready > 0 ? ready + " of " + view.desired() + " replicas answer requests" : view.why());
        addSnapshotReady(conditions, status.snapshot);
        addColdStartTarget(conditions, status.lastWake);
        return conditions;
    }

    private void addReady(Conditions conditions, ModelStatus status) {
        Optional<Problem> problem = problem(status);
        if (problem.isPresent()) {
            conditions.add(Conditions.READY, Verdict.False, problem.get().reason(), problem.get().message());
        } else if (ready > 0) {
            conditions.add(Conditions.READY, Verdict.True, "Serving",
                    ready + " of " + view.desired() + " replicas answer requests");
        } else if (view.awake()) {
            boolean proven = status.lastWake != null;
            conditions.add(Conditions.READY, Verdict.of(proven), proven ? "Waking" : "FirstStart",
                    view.queue()
                            .map(q -> "waits for a warmup slot, position " + q.position() + ": " + q.reason())
                            .orElse(view.why()));
        } else {
            conditions.add(Conditions.READY, Verdict.True, "ScaledToZero", status.lastWake == null
                    ? "asleep; it has never started, the first request tries"
                    : "asleep; a request wakes it from rung " + status.rung);
        }
    }

    /** Why the next request would fail, as far as is known. */
    private Optional<Problem> problem(ModelStatus status) {
        switch (view.resolved()) {
            case ResolvedModel.Impossible impossible -> {
                return Optional.of(new Problem(impossible.reason(), impossible.message()));
            }
            case ResolvedModel.Missing missing -> {
                return Optional.of(new Problem(missing.reason(), missing.message()));
            }
            case ResolvedModel.Resolved resolved -> {
            }
        }
        if (ready > 0) {
            return Optional.empty();
        }
        if (view.rejected().isPresent()) {
            return view.rejected().map(ModelView.Rejection::problem);
        }
        Optional<Problem> ofAPod = leading.map(o -> o.replica().problem());
        if (view.awake() && ofAPod.isPresent()) {
            return ofAPod;
        }
        if (status.initialStart != null && InitialStart.Failed.name().equals(status.initialStart.state())) {
            return Optional.of(new Problem("InitialStartFailed", orEmpty(status.initialStart.message())));
        }
        boolean lastTryFailed = status.warmup != null && status.warmup.phase().equals("Failed");
        return lastTryFailed && status.warmup != null
                ? Optional.of(new Problem(status.warmup.reason() == null ? "WarmupFailed" : status.warmup.reason(),
                        orEmpty(status.warmup.message())))
                : Optional.empty();
    }

    private void addStalled(Conditions conditions) {
        if (view.resolved() instanceof ResolvedModel.Impossible impossible) {
            conditions.add(Conditions.STALLED, Verdict.True, impossible.reason(), impossible.message());
        } else if (view.rejected().isPresent() && view.rejected().get().forGood()) {
            Problem problem = view.rejected().get().problem();
            conditions.add(Conditions.STALLED, Verdict.True, problem.reason(), problem.message());
        } else {
            conditions.add(Conditions.STALLED, Verdict.False, "Progressing", "");
        }
    }

    private void addSnapshotReady(Conditions conditions, @Nullable SnapshotStatus snapshot) {
        if (!spec.snapshot().enabled()) {
            conditions.add(Conditions.SNAPSHOT_READY, Verdict.False, "Disabled", "snapshot.enabled is false");
        } else if (snapshot == null) {
            conditions.add(Conditions.SNAPSHOT_READY, Verdict.False, "NotTaken", "no snapshot has been taken yet");
        } else {
            String detail = snapshot.message() != null
                    ? snapshot.message()
                    : snapshot.id() != null ? "snapshot " + snapshot.id() : "";
            conditions.add(Conditions.SNAPSHOT_READY,
                    Verdict.of(ModelStatusFactory.USABLE_SNAPSHOT.contains(snapshot.state())),
                    snapshot.state(), detail);
        }
    }

    /** H16–H18: inclusive, unknown before the first wake, judged on the whole wake and not on its last phase. */
    private void addColdStartTarget(Conditions conditions, @Nullable LastWake wake) {
        int target = spec.warmup().targetColdStartMs();
        if (wake == null) {
            conditions.add(Conditions.COLD_START_TARGET_MET, Verdict.Unknown, "NoWakeYet", "it has not woken yet");
            return;
        }
        boolean met = wake.coldStartMs() <= target;
        conditions.add(Conditions.COLD_START_TARGET_MET, Verdict.of(met), met ? "WithinTarget" : "AboveTarget",
                "the last wake took " + wake.coldStartMs() + " ms; warmup.targetColdStartMs is " + target);
    }

    private static String orEmpty(@Nullable String text) {
        return text == null ? "" : text;
    }
}
