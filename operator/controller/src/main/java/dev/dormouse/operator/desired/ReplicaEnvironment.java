package dev.dormouse.operator.desired;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.domain.warmup.Ladder.Climb;
import dev.dormouse.domain.warmup.Ladder.Rung;
import dev.dormouse.operator.json.ApiJson;
import dev.dormouse.operator.resolve.ModelSource;
import dev.dormouse.operator.resolve.ResolvedModel.Resolved;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import dev.dormouse.sidecar.api.WarmupPlan;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.EnvVarBuilder;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What the two containers of a replica are told: {@link SidecarEnvironment} has the names (H20). */
final class ReplicaEnvironment {
    private static final KubernetesSerialization JSON = ApiJson.SHARED;

    private final InferenceModel model;
    private final InferenceModelSpec spec;
    private final Resolved resolved;
    private final SidecarSettings sidecar;
    private final VolumeTrust trust;
    private final PodMemory memory;
    private final Climb climb;

    ReplicaEnvironment(InferenceModel model, Resolved resolved, SidecarSettings sidecar, VolumeTrust trust,
            PodMemory memory, Climb climb) {
        this.model = model;
        this.spec = model.getSpec();
        this.resolved = resolved;
        this.sidecar = sidecar;
        this.trust = trust;
        this.memory = memory;
        this.climb = climb;
    }

    /** @param activation id of the wake the pod is created for */
    List<EnvVar> ofSidecar(String activation) {
        InferenceModelSpec.Warmup warmup = spec.warmup();
        InferenceModelSpec.Snapshot snapshot = spec.snapshot();
        List<EnvVar> env = new ArrayList<>(shared());
        env.add(field(SidecarEnvironment.POD_UID, "metadata.uid"));
        env.add(value(SidecarEnvironment.HTTP_PORT, PodConventions.SIDECAR_PORT));
        env.add(value(SidecarEnvironment.ACTIVATION, activation));
        if (resolved.snapshotClaim().isPresent()) {
            env.add(value(SidecarEnvironment.VOLUME, ReplicaPod.SNAPSHOT_MOUNT));
            env.add(value(SidecarEnvironment.SNAPSHOT_KEY, SnapshotKey.of(spec)));
            env.add(value(SidecarEnvironment.COMPRESSION, snapshot.compression().name()));
            env.add(value(SidecarEnvironment.COMPRESSION_LEVEL, snapshot.compressionLevel()));
            env.add(value(SidecarEnvironment.VERIFY, snapshot.verifyChecksum()));
            env.addAll(trust.env());
            if (climb.rungs().contains(Rung.Volume)) {
                env.add(value(SidecarEnvironment.RESTORE_DEADLINE_SECONDS,
                        Math.max(1, climb.deadline(Rung.Volume).toSeconds())));
            }
            climb.why().ifPresent(why -> env.add(value(SidecarEnvironment.FROM_SOURCE_BECAUSE, why)));
        }
        env.addAll(sidecar.env());
        env.addAll(memory.env());
        env.add(value(SidecarEnvironment.PRELOAD_WEIGHTS, warmup.preloadWeights()));
        env.add(value(SidecarEnvironment.PREALLOCATE_POOLS, warmup.preallocatePools()));
        env.add(value(SidecarEnvironment.PRECOMPILE_KERNELS, warmup.precompileKernels()));
        env.add(value(SidecarEnvironment.BATCH_SIZE, warmup.batchSize()));
        env.add(value(SidecarEnvironment.ITERATIONS, warmup.iterations()));
        env.add(value(SidecarEnvironment.DEADLINE_SECONDS, warmup.deadlineSeconds()));
        WarmupPlan plan = plan(warmup);
        if (!plan.equals(WarmupPlan.NONE)) {
            env.add(value(SidecarEnvironment.WARMUP_PLAN, JSON.asJson(plan)));
        }
        return env;
    }

    private static WarmupPlan plan(InferenceModelSpec.Warmup warmup) {
        InferenceModelSpec.CustomInit hook = warmup.customInit();
        InferenceModelSpec.CanaryProbe canary = warmup.canary();
        return new WarmupPlan(hook == null ? null : new WarmupPlan.Hook(hook.exec(), request(hook.http())),
                request(warmup.request()),
                canary == null
                        ? null
                        : new WarmupPlan.Canary(canary.path(), canary.body(), canary.pointer(),
                                canary.tolerance() == null ? 0.001 : Double.parseDouble(canary.tolerance())));
    }

    private static WarmupPlan.@Nullable Request request(InferenceModelSpec.@Nullable WarmupRequest request) {
        return request == null ? null : new WarmupPlan.Request(request.path(), request.body(), request.item());
    }

    /** Ours first, so that the user's may refer to them, as in {@code $(POD_IP)}; theirs never replace ours. */
    List<EnvVar> ofEngine() {
        List<EnvVar> env = new ArrayList<>(shared());
        env.add(value(SidecarEnvironment.MODEL_PATH, switch (resolved.source()) {
            case ModelSource.Claim claim -> claim.enginePath();
            case ModelSource.LocalPath local -> local.path();
            case ModelSource.Unsupported unsupported -> throw new IllegalArgumentException(unsupported.message());
        }));
        Set<String> ours = env.stream().map(EnvVar::getName).collect(Collectors.toSet());
        spec.engine().env().stream().filter(theirs -> !ours.contains(theirs.getName())).forEach(env::add);
        return env;
    }

    private List<EnvVar> shared() {
        String clientName = spec.model().name();
        return List.of(field(SidecarEnvironment.POD_IP, "status.podIP"),
                value(SidecarEnvironment.SOCKET, ReplicaPod.RUN_MOUNT + "/engine.sock"),
                value(SidecarEnvironment.MODEL,
                        model.getMetadata().getNamespace() + "/" + model.getMetadata().getName()),
                value(SidecarEnvironment.MODEL_NAME, clientName == null ? model.getMetadata().getName() : clientName),
                value(SidecarEnvironment.ENGINE_PORT, spec.engine().port()));
    }

    private static EnvVar value(String name, Object value) {
        return new EnvVar(name, value.toString(), null);
    }

    private static EnvVar field(String name, String path) {
        return new EnvVarBuilder().withName(name).withNewValueFrom().withNewFieldRef("v1", path).endValueFrom().build();
    }
}
