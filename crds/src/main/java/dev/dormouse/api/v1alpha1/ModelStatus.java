package dev.dormouse.api.v1alpha1;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.model.annotation.LabelSelector;
import io.fabric8.kubernetes.model.annotation.StatusReplicas;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The part of an {@link InferenceModel}'s status that the operator owns. It has no {@code demand}: that belongs to the
 * gateways, and a type without the field can never remove it. Times are RFC 3339 with microseconds.
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public class ModelStatus {
    public @Nullable Long observedGeneration;
    @StatusReplicas
    @JsonPropertyDescription("Pods of this model, in whatever phase.")
    public Integer replicas = 0;
    @JsonPropertyDescription("Replicas that answer requests now.")
    public Integer readyReplicas = 0;
    @LabelSelector
    @JsonPropertyDescription("Label selector of this model's pods, for autoscalers.")
    public @Nullable String selector;
    @JsonPropertyDescription("How awake the model is: Cold, Volume, NodeCache or Resident.")
    public @Nullable String rung;
    @JsonPropertyDescription("How the model is used, found out from its requests: BatchInference, RealtimeInference, StreamingInference, MultiModalServing, EnsembleServing, A_BServing, CanaryServing or AutoScalingServing.")
    public @Nullable String servingPattern;
    public @Nullable InitialStartStatus initialStart;
    public @Nullable Activation activation;
    public @Nullable WarmupStatus warmup;
    public @Nullable LastWake lastWake;
    public @Nullable Wakes wakes;
    public @Nullable SnapshotStatus snapshot;
    public List<ReplicaStatus> pods = List.of();
    public List<Condition> conditions = List.of();

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record InitialStartStatus(@JsonPropertyDescription("Pending, Done or Failed.") String state,
            @Nullable String message) {}

    /** One period of being awake, from the wake to the last pod's end. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Activation(@JsonPropertyDescription("Grows with each activation of this model.") String id,
            @JsonPropertyDescription("Why: Demand, InitialStart, MinReplicas, Replicas.") String reason,
            @JsonPropertyDescription("When the wake was decided.") String startedAt,
            @Nullable @JsonPropertyDescription("When the model was put to sleep again; absent while awake.") String endedAt) {}

    /** The warmup now under way, or the last one. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record WarmupStatus(
            @JsonPropertyDescription("Queued, Starting, Restoring, Loading, Warming, Ready or Failed.") String phase,
            @Nullable @JsonPropertyDescription("Place in the warmup queue, 1 is next; absent when not queued.") Integer queuePosition,
            @Nullable Integer percent, @Nullable Integer etaSeconds, @Nullable Integer attempt,
            @Nullable Long totalMicros, @Nullable Long firstInferenceMicros, @Nullable Integer iterations,
            @Nullable Long memoryBytes, @Nullable List<Phase> phases,
            @Nullable @JsonPropertyDescription("Why it waits or failed.") String reason, @Nullable String message) {}

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Phase(String name, @JsonPropertyDescription("Running, Done, Skipped or Failed.") String state,
            Long micros, @Nullable String error) {}

    /** How the last wake went. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record LastWake(String at, @JsonPropertyDescription("The rung it started from.") String rung,
            @JsonPropertyDescription("Decision to wake until Ready, in milliseconds.") Long coldStartMs,
            @Nullable Long restoredBytes, @Nullable Long restoreMicros, @Nullable Long firstInferenceMicros,
            String pod) {}

    /** How wakes went so far. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Wakes(@JsonPropertyDescription("All wakes that ended Ready.") Long count,
            @JsonPropertyDescription("Those that began at rung Cold.") Long cold,
            @JsonPropertyDescription("cold divided by count.") Double coldStartFraction,
            @JsonPropertyDescription("Nearest-rank 95th percentile of recentMs, in milliseconds.") Long p95ColdStartMs,
            @JsonPropertyDescription("The last wakes, oldest first, in milliseconds; at most 100.") List<Long> recentMs) {}

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record SnapshotStatus(@Nullable String id,
            @JsonPropertyDescription("Absent, Restoring, Restored, Saving, Saved, Quarantined, Failed or Skipped.") String state,
            @Nullable Long rawBytes, @Nullable Long storedBytes,
            @Nullable @JsonPropertyDescription("Compatibility key it was taken under; a change of the spec may need a new snapshot.") String key,
            @Nullable String reason, @Nullable String message) {}

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record ReplicaStatus(String name, String phase, @Nullable String reason, @Nullable String message) {}
}
