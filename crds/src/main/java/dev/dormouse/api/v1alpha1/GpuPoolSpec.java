package dev.dormouse.api.v1alpha1;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.Toleration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Which nodes, how their GPUs are asked for, and how many replicas may warm up on them. */
@JsonInclude(JsonInclude.Include.NON_NULL)
@ValidationRule(value = "self.capacity != 'Elastic' || has(self.maxGpus)", message = "capacity Elastic needs maxGpus: how many GPUs the node autoscaler may be made to add")
public record GpuPoolSpec(
        @JsonPropertyDescription("Labels of the pool's nodes. Empty: every node that has the resource.") Map<String, String> nodeSelector,
        @JsonPropertyDescription("Added to every replica of the pool.") List<Toleration> tolerations,
        @Default("\"nvidia.com/gpu\"") @Pattern("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$") @JsonPropertyDescription("Extended resource that nodes offer; engines ask for it in engine.resources.limits.") String resourceName,
        @Default("\"DevicePlugin\"") @JsonPropertyDescription("DevicePlugin: the engine's limit is left as it is. DRA: it becomes a ResourceClaim that engine and sidecar share, so that both see the same GPU.") Allocation allocation,
        @Default("\"gpu.nvidia.com\"") @Pattern("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$") @JsonPropertyDescription("DeviceClass of the claims, for DRA.") String deviceClassName,
        @Default("\"Observed\"") @JsonPropertyDescription("Observed: what ready nodes have. Elastic: pods are also made for GPUs that a node autoscaler would have to add.") Capacity capacity,
        @Nullable @Min(1) @Max(100000) @JsonPropertyDescription("Most GPUs of an elastic pool.") Integer maxGpus,
        @Default("{}") @JsonPropertyDescription("How many replicas may warm up at the same time.") WarmupLimits warmup) {

    /** Of a pool without a spec. */
    public static final GpuPoolSpec DEFAULT = new GpuPoolSpec(Map.of(), List.of(), "nvidia.com/gpu",
            Allocation.DevicePlugin, "gpu.nvidia.com", Capacity.Observed, null, new WarmupLimits(4, null));

    public enum Allocation {
        DevicePlugin, DRA
    }

    public enum Capacity {
        Observed, Elastic
    }

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record WarmupLimits(
            @Default("4") @Min(1) @Max(10000) @JsonPropertyDescription("In the whole pool.") Integer maxConcurrent,
            @Nullable @Min(1) @Max(1000) @JsonPropertyDescription("On one node; Dormouse then chooses the node. Unset: as many as fit.") Integer maxConcurrentPerNode) {
        public WarmupLimits {
            maxConcurrent = maxConcurrent == null ? 4 : maxConcurrent;
        }
    }

    public GpuPoolSpec {
        nodeSelector = nodeSelector == null ? Map.of() : Map.copyOf(nodeSelector);
        tolerations = tolerations == null ? List.of() : List.copyOf(tolerations);
        resourceName = resourceName == null ? "nvidia.com/gpu" : resourceName;
        allocation = allocation == null ? Allocation.DevicePlugin : allocation;
        deviceClassName = deviceClassName == null ? "gpu.nvidia.com" : deviceClassName;
        capacity = capacity == null ? Capacity.Observed : capacity;
        warmup = warmup == null ? new WarmupLimits(4, null) : warmup;
    }
}
