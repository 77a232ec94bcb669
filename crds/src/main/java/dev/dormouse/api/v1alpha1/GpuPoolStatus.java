package dev.dormouse.api.v1alpha1;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.kubernetes.api.model.Condition;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What a pool has and what is asked of it. */
@JsonInclude(JsonInclude.Include.NON_NULL)
public class GpuPoolStatus {
    public @Nullable Long observedGeneration;
    @JsonPropertyDescription("Ready, schedulable nodes that match and have the resource.")
    public Integer nodes = 0;
    @JsonPropertyDescription("GPUs of these nodes.")
    public Integer gpus = 0;
    @JsonPropertyDescription("GPUs that replicas have, or are about to get.")
    public Integer gpusInUse = 0;
    @JsonPropertyDescription("GPUs of the node that has the most: no replica can have more.")
    public Integer largestNode = 0;
    @JsonPropertyDescription("Replicas that warm up.")
    public Integer warming = 0;
    @JsonPropertyDescription("Replicas that wait for a warmup slot or for GPUs.")
    public Integer queued = 0;
    public List<Condition> conditions = List.of();
}
