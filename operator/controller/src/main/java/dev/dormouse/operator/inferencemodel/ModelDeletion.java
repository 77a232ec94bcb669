package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec.DeletionPolicy;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.fleet.ReplicaId;
import dev.dormouse.domain.scaling.Load;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.status.ObservedReplica;
import io.fabric8.kubernetes.api.model.Namespace;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What happens between a model's deletion and its disappearance: its place in the queue is given back, its pods drain
 * and go, then the claim if the user wants that. All of it ends at a deadline, so that a model can always be deleted.
 */
final class ModelDeletion {
    private static final Logger LOG = LoggerFactory.getLogger(ModelDeletion.class);

    private final Services services;
    private final ModelFinalizer finalizer;
    private final ModelVolume volume;

    ModelDeletion(Services services) {
        this.services = services;
        this.finalizer = new ModelFinalizer(services.client());
        this.volume = new ModelVolume(services.volumes());
    }

    /** @return when to look again; nothing once the model may go */
    Optional<Instant> proceed(InferenceModel model, List<ObservedReplica> observed, Instant now) {
        ModelKey key = new ModelKey(model.getMetadata().getNamespace(), model.getMetadata().getName());
        services.warmups()
                .retain(key, Set.of(),
                        observed.stream()
                                .map(pod -> new ReplicaId(key, pod.replica().pod()))
                                .collect(Collectors.toUnmodifiableSet()));
        if (!model.hasFinalizer(ModelFinalizer.NAME)) {
            return Optional.empty();
        }
        Instant deadline = Instant.parse(model.getMetadata().getDeletionTimestamp())
                .plus(services.settings().cleanupDeadline());
        boolean outOfTime = !deadline.isAfter(now) || namespaceIsTerminating(key.namespace());
        Load load = services.gateways().load(key);
        boolean remaining = false;
        for (ObservedReplica replica : observed) {
            remaining |= !letGo(key, replica, load, outOfTime);
        }
        if (remaining) {
            services.gateways().setAwake(key, true);
            return Optional.of(deadline);
        }
        volume.leave(model);
        deleteClaimIfWanted(model);
        finalizer.remove(model);
        return Optional.empty();
    }

    /** @return whether the pod is on its way out */
    private boolean letGo(ModelKey key, ObservedReplica observed, Load load, boolean outOfTime) {
        Pods pods = new Pods(services.client(), key);
        Replica replica = observed.replica();
        if (replica.phase() == Phase.Terminating) {
            return true;
        }
        boolean released = !replica.mayCarryRequests() || (replica.draining() && load.released(replica.uid()));
        if (released || outOfTime) {
            pods.delete(replica.pod(), observed.resourceVersion(), "the model is deleted");
            return true;
        }
        if (!replica.draining()) {
            pods.markDraining(replica.pod(), replica.uid(), "the model is deleted");
        }
        return false;
    }

    private void deleteClaimIfWanted(InferenceModel model) {
        if (ResolvedModel.ownsSnapshotClaim(model)
                && model.getSpec().snapshot().deletionPolicy() == DeletionPolicy.Delete) {
            services.client()
                    .persistentVolumeClaims()
                    .inNamespace(model.getMetadata().getNamespace())
                    .withName(ResolvedModel.ownClaim(model))
                    .delete();
        }
    }

    /** In a terminating namespace everything goes anyway: the finalizer must not hold it up. */
    private boolean namespaceIsTerminating(String namespace) {
        try {
            KubernetesClient client = services.client();
            Namespace found = client.namespaces().withName(namespace).get();
            return found != null && found.getMetadata().getDeletionTimestamp() != null;
        } catch (KubernetesClientException e) {
            // Without the right to read namespaces the deadline alone decides.
            LOG.debug("cannot read namespace {}: {}", namespace, e.getMessage());
            return false;
        }
    }
}
