package dev.dormouse.operator.status;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.ConditionBuilder;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A list of conditions under way; the time of a condition changes only when its status does. */
public final class Conditions {
    public static final String READY = "Ready";
    public static final String RECONCILING = "Reconciling";
    public static final String STALLED = "Stalled";
    public static final String SERVING = "Serving";
    public static final String SNAPSHOT_READY = "SnapshotReady";
    public static final String COLD_START_TARGET_MET = "ColdStartTargetMet";

    /** The value of a condition. */
    public enum Verdict {
        True, False, Unknown;

        public static Verdict of(boolean value) {
            return value ? True : False;
        }
    }

    private final List<Condition> previous;
    private final long generation;
    private final String now;
    private final List<Condition> next = new ArrayList<>();

    Conditions(List<Condition> previous, long generation, Instant now) {
        this.previous = List.copyOf(previous);
        this.generation = generation;
        this.now = Timestamps.seconds(now);
    }

    /** Conditions to be judged anew after these. */
    public static Conditions after(List<Condition> previous, @Nullable Long generation, Instant now) {
        return new Conditions(previous, generation == null ? 0 : generation, now);
    }

    public void add(String type, Verdict verdict, String reason, String message) {
        String since = find(previous, type).filter(old -> verdict.name().equals(old.getStatus()))
                .map(Condition::getLastTransitionTime)
                .orElse(now);
        next.add(new ConditionBuilder().withType(type)
                .withStatus(verdict.name())
                .withReason(reason)
                .withMessage(message)
                .withObservedGeneration(generation)
                .withLastTransitionTime(since)
                .build());
    }

    public List<Condition> list() {
        return List.copyOf(next);
    }

    public static Optional<Condition> find(List<Condition> conditions, String type) {
        return conditions.stream().filter(c -> type.equals(c.getType())).findFirst();
    }
}
