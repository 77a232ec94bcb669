package dev.dormouse.operator.desired;

import dev.dormouse.operator.json.ApiJson;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import dev.dormouse.sidecar.api.StoreTask;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.OwnerReferenceBuilder;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.time.Duration;
import java.util.Optional;

/**
 * A short-lived pod of the sidecar's image that works on a volume which no replica may be mounting. It asks for no GPU. A
 * volume that only one node may mount is worked on beside the replica that mounts it.
 */
public final class StorePod {
    private static final String VOLUME = "dormouse-snapshots";
    private static final String MOUNT = "/var/lib/dormouse";
    private static final KubernetesSerialization JSON = ApiJson.SHARED;

    private StorePod() {}

    /** One per claim at a time: a second creation meets 409. */
    public static String name(String claim) {
        return "dormouse-store-" + label(claim);
    }

    /** Claims have longer names than labels may. */
    public static String label(String claim) {
        return Hashes.sha256(claim).substring(0, 16);
    }

    /**
     * @param trust the volume's keys; a missing one does not keep the pod from what needs none
     * @param deadline after which the cluster ends the pod, whatever it does
     * @param beside name of a model whose replica mounts the claim; absent when none does, or any node may
     */
    public static Pod of(PersistentVolumeClaim claim, StoreTask task, SidecarSettings sidecar, VolumeTrust trust,
            Duration deadline, Optional<String> beside) {
        String name = claim.getMetadata().getName();
        PodBuilder pod = new PodBuilder().withNewMetadata()
                .withName(name(name))
                .withNamespace(claim.getMetadata().getNamespace())
                .addToLabels(PodConventions.LABEL_STORE, label(name))
                .addToLabels(PodConventions.LABEL_MANAGED_BY, PodConventions.MANAGED_BY)
                .withOwnerReferences(new OwnerReferenceBuilder().withApiVersion("v1")
                        .withKind("PersistentVolumeClaim")
                        .withName(name)
                        .withUid(claim.getMetadata().getUid())
                        .build())
                .endMetadata()
                .withNewSpec()
                .withRestartPolicy("Never")
                .withActiveDeadlineSeconds(deadline.toSeconds())
                .withTerminationGracePeriodSeconds(5L)
                .withAutomountServiceAccountToken(false)
                .withNewSecurityContext()
                .withNewSeccompProfile()
                .withType("RuntimeDefault")
                .endSeccompProfile()
                .endSecurityContext()
                .addNewVolume()
                .withName(VOLUME)
                .withNewPersistentVolumeClaim(name, false)
                .endVolume()
                .addAllToVolumes(trust.volumes(true))
                .addAllToVolumes(sidecar.volumes())
                .endSpec();
        beside.ifPresent(model -> pod.editSpec()
                .withNewAffinity()
                .withNewPodAffinity()
                .addNewRequiredDuringSchedulingIgnoredDuringExecution()
                .withTopologyKey("kubernetes.io/hostname")
                .withNewLabelSelector()
                .addToMatchLabels(PodConventions.LABEL_MODEL, model)
                .endLabelSelector()
                .endRequiredDuringSchedulingIgnoredDuringExecution()
                .endPodAffinity()
                .endAffinity()
                .endSpec());
        return withContainer(pod, claim, task, sidecar, trust).build();
    }

    private static PodBuilder withContainer(PodBuilder pod, PersistentVolumeClaim claim, StoreTask task,
            SidecarSettings sidecar, VolumeTrust trust) {
        return pod.editSpec()
                .addNewContainer()
                .withName(PodConventions.SIDECAR_CONTAINER)
                .withImage(sidecar.image())
                .addNewEnv()
                .withName(SidecarEnvironment.POD_IP)
                .withNewValueFrom()
                .withNewFieldRef("v1", "status.podIP")
                .endValueFrom()
                .endEnv()
                .addNewEnv()
                .withName(SidecarEnvironment.POD_UID)
                .withNewValueFrom()
                .withNewFieldRef("v1", "metadata.uid")
                .endValueFrom()
                .endEnv()
                .addToEnv(
                        new EnvVar(SidecarEnvironment.HTTP_PORT, Integer.toString(PodConventions.SIDECAR_PORT), null),
                        new EnvVar(SidecarEnvironment.MODEL,
                                claim.getMetadata().getNamespace() + "/" + claim.getMetadata().getName(), null),
                        new EnvVar(SidecarEnvironment.VOLUME, MOUNT, null),
                        // The sidecar wants a key for its own snapshots; a store pod takes none.
                        new EnvVar(SidecarEnvironment.SNAPSHOT_KEY, "0".repeat(64), null),
                        new EnvVar(SidecarEnvironment.STORE_TASK, JSON.asJson(task), null))
                .addAllToEnv(trust.env())
                .addAllToEnv(sidecar.env())
                .addNewPort()
                .withName(PodConventions.SIDECAR_PORT_NAME)
                .withContainerPort(PodConventions.SIDECAR_PORT)
                .withProtocol("TCP")
                .endPort()
                .withNewResources()
                .addToRequests("cpu", new Quantity("50m"))
                .addToRequests("memory", new Quantity("128Mi"))
                .addToLimits("memory", new Quantity("512Mi"))
                .endResources()
                .withNewSecurityContext()
                .withAllowPrivilegeEscalation(false)
                .withNewCapabilities()
                .withDrop("ALL")
                .endCapabilities()
                .endSecurityContext()
                .addNewVolumeMount()
                .withName(VOLUME)
                .withMountPath(MOUNT)
                .endVolumeMount()
                .addAllToVolumeMounts(trust.mounts())
                .addAllToVolumeMounts(sidecar.mounts())
                .endContainer()
                .endSpec();
    }
}
