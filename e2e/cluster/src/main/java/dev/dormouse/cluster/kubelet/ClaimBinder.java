package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.PersistentVolume;
import io.fabric8.kubernetes.api.model.PersistentVolumeBuilder;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimStatus;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimStatusBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Stands for the volume provisioner: every claim is bound at once to a volume that is a folder, whatever its storage class
 * and size. A deleted claim's folder is deleted with it, as a class with the reclaim policy Delete does, unless the deletion
 * was only inferred after a broken watch. Nothing protects claims in use.
 */
public final class ClaimBinder implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ClaimBinder.class);

    private final KubernetesClient client;
    private final Path claims;
    private final SharedIndexInformer<PersistentVolumeClaim> informer;

    /** @param state the state folder of the nodes that are to see these claims */
    public static ClaimBinder start(KubernetesClient client, Path state) {
        return new ClaimBinder(client, state.toAbsolutePath().normalize().resolve("claims"));
    }

    private ClaimBinder(KubernetesClient client, Path claims) {
        this.client = client;
        this.claims = claims;
        this.informer = client.persistentVolumeClaims().inAnyNamespace().inform(new ResourceEventHandler<>() {
            @Override
            public void onAdd(PersistentVolumeClaim claim) {
                bind(claim);
            }

            @Override
            public void onUpdate(PersistentVolumeClaim before, PersistentVolumeClaim claim) {
                bind(claim);
            }

            @Override
            public void onDelete(PersistentVolumeClaim claim, boolean stateUnknown) {
                if (stateUnknown) {
                    // The server may have lost its state rather than the user a claim: bytes are not deleted on a guess.
                    LOG.warn("Claim {}/{} vanished unseen; its folder {} stays", claim.getMetadata().getNamespace(),
                            claim.getMetadata().getName(), folder(claim));
                } else {
                    remove(claim);
                }
            }
        });
    }

    private Path folder(PersistentVolumeClaim claim) {
        return claims.resolve(claim.getMetadata().getNamespace()).resolve(claim.getMetadata().getName());
    }

    private void bind(PersistentVolumeClaim claim) {
        if (claim.getStatus() != null && "Bound".equals(claim.getStatus().getPhase())) {
            return;
        }
        String namespace = claim.getMetadata().getNamespace();
        String name = claim.getMetadata().getName();
        try {
            Files.createDirectories(folder(claim));
            String volume = provision(claim);
            client.persistentVolumeClaims()
                    .inNamespace(namespace)
                    .withName(name)
                    .patch(PatchContext.of(PatchType.JSON_MERGE), Serialization.asJson(Map.of("metadata",
                            Map.of("uid", claim.getMetadata().getUid()), "spec", Map.of("volumeName", volume))));
            PersistentVolumeClaimStatus bound = new PersistentVolumeClaimStatusBuilder().withPhase("Bound")
                    .withAccessModes(claim.getSpec().getAccessModes())
                    .withCapacity(claim.getSpec().getResources() == null
                            ? Map.of()
                            : claim.getSpec().getResources().getRequests())
                    .build();
            client.persistentVolumeClaims()
                    .inNamespace(namespace)
                    .withName(name)
                    .subresource("status")
                    .patch(
                            PatchContext.of(PatchType.JSON_MERGE), Serialization.asJson(
                                    Map.of("metadata", Map.of("uid", claim.getMetadata().getUid()), "status", bound)));
        } catch (IOException e) {
            LOG.error("Claim {}/{}: no folder could be made", namespace, name, e);
        } catch (KubernetesClientException e) {
            if (!PodApi.isAbsence(e)) {
                LOG.warn("Claim {}/{} could not be bound; its next change tries again", namespace, name, e);
            }
        }
    }

    /** The volume that stands for the claim's folder, made when there is none; its name. */
    private String provision(PersistentVolumeClaim claim) {
        String name = "pvc-" + claim.getMetadata().getUid();
        PersistentVolume volume = new PersistentVolumeBuilder().withNewMetadata()
                .withName(name)
                .endMetadata()
                .withNewSpec()
                .withCapacity(claim.getSpec().getResources().getRequests())
                .withAccessModes(claim.getSpec().getAccessModes())
                .withPersistentVolumeReclaimPolicy("Delete")
                .withStorageClassName(claim.getSpec().getStorageClassName())
                .withNewHostPath(folder(claim).toString(), "DirectoryOrCreate")
                .withNewClaimRef()
                .withApiVersion("v1")
                .withKind("PersistentVolumeClaim")
                .withNamespace(claim.getMetadata().getNamespace())
                .withName(claim.getMetadata().getName())
                .withUid(claim.getMetadata().getUid())
                .endClaimRef()
                .endSpec()
                .build();
        if (client.persistentVolumes().withName(name).get() == null) {
            client.resource(volume).create();
        }
        client.persistentVolumes()
                .withName(name)
                .subresource("status")
                .patch(PatchContext.of(PatchType.JSON_MERGE), "{\"status\": {\"phase\": \"Bound\"}}");
        return name;
    }

    private void remove(PersistentVolumeClaim claim) {
        try {
            client.persistentVolumes().withName("pvc-" + claim.getMetadata().getUid()).delete();
        } catch (KubernetesClientException e) {
            LOG.warn("The volume of the deleted claim {}/{} could not be removed", claim.getMetadata().getNamespace(),
                    claim.getMetadata().getName(), e);
        }
        try {
            Folders.delete(folder(claim));
        } catch (IOException e) {
            LOG.warn("The folder of the deleted claim {}/{} could not be removed", claim.getMetadata().getNamespace(),
                    claim.getMetadata().getName(), e);
        }
    }

    @Override
    public void close() {
        informer.stop();
    }
}
