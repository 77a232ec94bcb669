package dev.dormouse.operator.desired;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.operator.json.ApiJson;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.domain.warmup.Ladder.Climb;
import dev.dormouse.operator.resolve.ModelSource;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.resolve.ResolvedModel.Resolved;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerBuilder;
import io.fabric8.kubernetes.api.model.OwnerReferenceBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.Probe;
import io.fabric8.kubernetes.api.model.ProbeBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.SecurityContext;
import io.fabric8.kubernetes.api.model.SecurityContextBuilder;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeBuilder;
import io.fabric8.kubernetes.api.model.VolumeMountBuilder;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The pod of one replica: the sidecar as a native sidecar, the engine, the volumes between them, and the user's
 * {@code podTemplate} laid over it. Fits the {@code restricted} pod security standard if the images name a user other
 * than root.
 */
public final class ReplicaPod {
    private static final String RUN_VOLUME = "dormouse-run";
    static final String RUN_MOUNT = "/run/dormouse";
    private static final String SNAPSHOT_VOLUME = "dormouse-snapshots";
    static final String SNAPSHOT_MOUNT = "/var/lib/dormouse";
    private static final String MODEL_VOLUME = "dormouse-model";
    private static final String SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    private static final long GRACE_SECONDS = 60;
    private static final KubernetesSerialization JSON = ApiJson.SHARED;

    private final InferenceModel model;
    private final InferenceModelSpec spec;
    private final Resolved resolved;
    private final SidecarSettings sidecar;
    private final VolumeTrust trust;
    private final Optional<PoolPlacement> placement;
    private final PodMemory memory;
    private final ReplicaEnvironment environment;

    private ReplicaPod(InferenceModel model, Resolved resolved, SidecarSettings sidecar,
            Optional<PoolPlacement> placement, Climb climb) {
        this.placement = placement;
        this.model = model;
        this.spec = model.getSpec();
        this.resolved = resolved;
        this.sidecar = sidecar;
        this.trust = VolumeTrust.of(model);
        this.memory = PodMemory.of(model, resolved.snapshotClaim(), placement);
        this.environment = new ReplicaEnvironment(model, resolved, sidecar, trust, memory, climb);
    }

    /**
     * @param name the pod's name, see {@code ReplicaNames}
     * @param activation id of the wake it is created for
     * @param placement absent when the model names no pool
     * @param climb where it may come up from, and for how long
     */
    public static Pod of(InferenceModel model, Resolved resolved, SidecarSettings sidecar, String name,
            String activation, Optional<PoolPlacement> placement, Climb climb) {
        ReplicaPod pod = new ReplicaPod(model, resolved, sidecar, placement, climb);
        return pod.build(name, activation, template(model, resolved));
    }

    /**
     * Hash of what the user says about a pod. Not of the pod itself: a newer operator or sidecar would then replace every
     * live replica. They come with the next wake.
     */
    public static String template(InferenceModel model, Resolved resolved) {
        InferenceModelSpec spec = model.getSpec();
        InferenceModelSpec.Warmup warmup = spec.warmup();
        InferenceModelSpec.Snapshot snapshot = spec.snapshot();
        List<Object> parts = new ArrayList<>(
                Arrays.asList(spec.model().uri(), spec.model().name(), spec.model().revision(),
                        spec.engine(), spec.podTemplate(), resolved.snapshotClaim().orElse(""), snapshot.compression(),
                        snapshot.compressionLevel(), snapshot.verifyChecksum(), warmup.preloadWeights(),
                        warmup.preallocatePools(), warmup.precompileKernels(), warmup.batchSize(), warmup.iterations(),
                        warmup.deadlineSeconds()));
        // Only where there is one: the hashes of all others stay what they were, and so do their replicas.
        if (spec.pool() != null) {
            parts.add(spec.pool());
        }
        if (warmup.customInit() != null || warmup.request() != null || warmup.canary() != null) {
            parts.add(Arrays.asList(warmup.customInit(), warmup.request(), warmup.canary()));
        }
        if (snapshot.trust() != null) {
            parts.add(snapshot.trust());
        }
        if (snapshot.memory() != InferenceModelSpec.SnapshotMemory.Auto) {
            parts.add(snapshot.memory());
        }
        return Hashes.sha256(JSON.asJson(parts)).substring(0, 16);
    }

    private Pod build(String name, String activation, String template) {
        Pod pod = new PodBuilder().withNewMetadata()
                .endMetadata()
                .withNewSpec()
                .withRestartPolicy("Always")
                .withTerminationGracePeriodSeconds(GRACE_SECONDS)
                .withNewSecurityContext()
                .withNewSeccompProfile()
                .withType("RuntimeDefault")
                .endSeccompProfile()
                .endSecurityContext()
                .withInitContainers(sidecar(activation))
                .withContainers(engine())
                .withVolumes(volumes())
                .endSpec()
                .build();
        coLocate(pod);
        memory.shareProcessNamespace().ifPresent(pod.getSpec()::setShareProcessNamespace);
        return identified(overlaid(pooled(pod), spec.podTemplate()), name, activation, template);
    }

    private Pod pooled(Pod pod) {
        if (placement.isEmpty()) {
            return pod;
        }
        ObjectNode tree = JSON.convertValue(pod, ObjectNode.class);
        placement.get().apply(tree, model);
        return new PodBuilder(JSON.convertValue(tree, Pod.class)).editMetadata()
                .addToAnnotations(PodConventions.ANNOTATION_POOL, placement.get().name())
                .addToAnnotations(PodConventions.ANNOTATION_GPUS,
                        Integer.toString(PoolPlacement.gpus(model, placement.get().pool())))
                .endMetadata()
                .build();
    }

    private static Pod overlaid(Pod pod, @Nullable PodTemplateSpec podTemplate) {
        if (podTemplate == null) {
            return pod;
        }
        ObjectNode tree = JSON.convertValue(pod, ObjectNode.class);
        PodOverlay.apply(tree, JSON.convertValue(podTemplate, JsonNode.class));
        return JSON.convertValue(tree, Pod.class);
    }

    /** Last, so that no template can take a pod away from its model. */
    private Pod identified(Pod pod, String name, String activation, String template) {
        return new PodBuilder(pod).editMetadata()
                .withName(name)
                .withNamespace(model.getMetadata().getNamespace())
                .addToLabels(PodConventions.LABEL_MODEL, model.getMetadata().getName())
                .addToLabels(PodConventions.LABEL_MANAGED_BY, PodConventions.MANAGED_BY)
                .addToAnnotations(SAFE_TO_EVICT, "true")
                .addToAnnotations(PodConventions.ANNOTATION_ACTIVATION, activation)
                .addToAnnotations(PodConventions.ANNOTATION_TEMPLATE, template)
                .withOwnerReferences(new OwnerReferenceBuilder().withApiVersion(model.getApiVersion())
                        .withKind(model.getKind())
                        .withName(model.getMetadata().getName())
                        .withUid(model.getMetadata().getUid())
                        .withController(true)
                        .withBlockOwnerDeletion(true)
                        .build())
                .endMetadata()
                .build();
    }

    /** ReadWriteOnce is not enforced by the scheduler: a second pod on another node would hang in ContainerCreating. */
    private void coLocate(Pod pod) {
        boolean several = Math.max(spec.replicas(), spec.scaling().maxReplicas()) > 1;
        if (!several || !ResolvedModel.ownsSnapshotClaim(model)) {
            return;
        }
        pod.setSpec(pod.getSpec()
                .edit()
                .withNewAffinity()
                .withNewPodAffinity()
                .addNewRequiredDuringSchedulingIgnoredDuringExecution()
                .withTopologyKey("kubernetes.io/hostname")
                .withNewLabelSelector()
                .addToMatchLabels(PodConventions.LABEL_MODEL, model.getMetadata().getName())
                .endLabelSelector()
                .endRequiredDuringSchedulingIgnoredDuringExecution()
                .endPodAffinity()
                .endAffinity()
                .build());
    }

    private Container sidecar(String activation) {
        ContainerBuilder container = new ContainerBuilder().withName(PodConventions.SIDECAR_CONTAINER)
                .withImage(sidecar.image())
                .withRestartPolicy("Always")
                .withEnv(environment.ofSidecar(activation))
                .addNewPort()
                .withName(PodConventions.SIDECAR_PORT_NAME)
                .withContainerPort(PodConventions.SIDECAR_PORT)
                .withProtocol("TCP")
                .endPort()
                .withNewResources()
                .addToRequests("cpu", new Quantity("100m"))
                .addToRequests("memory", new Quantity("128Mi"))
                .endResources()
                .withStartupProbe(probe("/livez", 120))
                .withReadinessProbe(probe("/readyz", 1))
                .withLivenessProbe(probe("/livez", 10))
                .withSecurityContext(restricted())
                // Why it crashes stands in the pod's status, and so in the model's.
                .withTerminationMessagePolicy("FallbackToLogsOnError")
                .addNewVolumeMount()
                .withName(RUN_VOLUME)
                .withMountPath(RUN_MOUNT)
                .endVolumeMount();
        if (resolved.snapshotClaim().isPresent()) {
            container.addNewVolumeMount().withName(SNAPSHOT_VOLUME).withMountPath(SNAPSHOT_MOUNT).endVolumeMount();
        }
        container.addAllToVolumeMounts(trust.mounts()).addAllToVolumeMounts(sidecar.mounts());
        return container.build();
    }

    private Container engine() {
        ContainerBuilder container = new ContainerBuilder().withName(PodConventions.ENGINE_CONTAINER)
                .withImage(spec.engine().image())
                .withCommand(spec.engine().command())
                .withArgs(spec.engine().args())
                .withEnv(environment.ofEngine())
                .addNewPort()
                .withName(PodConventions.ENGINE_PORT_NAME)
                .withContainerPort(spec.engine().port())
                .withProtocol("TCP")
                .endPort()
                .withResources(spec.engine().resources())
                .withSecurityContext(restricted())
                // Why it crashes stands in the pod's status, and so in the model's.
                .withTerminationMessagePolicy("FallbackToLogsOnError")
                .addNewVolumeMount()
                .withName(RUN_VOLUME)
                .withMountPath(RUN_MOUNT)
                .endVolumeMount();
        if (resolved.source() instanceof ModelSource.Claim) {
            container.addToVolumeMounts(new VolumeMountBuilder().withName(MODEL_VOLUME)
                    .withMountPath(ModelSource.MOUNT)
                    .withReadOnly(true)
                    .build());
        }
        return container.build();
    }

    private List<Volume> volumes() {
        List<Volume> volumes = new ArrayList<>();
        volumes.add(new VolumeBuilder().withName(RUN_VOLUME).withNewEmptyDir().endEmptyDir().build());
        resolved.snapshotClaim()
                .ifPresent(claim -> volumes.add(new VolumeBuilder().withName(SNAPSHOT_VOLUME)
                        .withNewPersistentVolumeClaim(claim, false)
                        .build()));
        if (resolved.source() instanceof ModelSource.Claim claim) {
            volumes.add(new VolumeBuilder().withName(MODEL_VOLUME)
                    .withNewPersistentVolumeClaim(claim.claim(), true)
                    .build());
        }
        volumes.addAll(trust.volumes(false));
        volumes.addAll(sidecar.volumes());
        return volumes;
    }

    private Probe probe(String path, int failures) {
        return new ProbeBuilder().withNewHttpGet()
                .withPath(path)
                .withNewPort(PodConventions.SIDECAR_PORT)
                .withScheme(sidecar.scheme())
                .endHttpGet()
                .withPeriodSeconds(1)
                .withTimeoutSeconds(1)
                .withSuccessThreshold(1)
                .withFailureThreshold(failures)
                .build();
    }

    private static SecurityContext restricted() {
        return new SecurityContextBuilder().withAllowPrivilegeEscalation(false)
                .withNewCapabilities()
                .withDrop("ALL")
                .endCapabilities()
                .build();
    }
}
