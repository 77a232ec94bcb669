package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Volume;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Collectors;

/** Access modes of claims, kept as a cluster keeps them: the volume of a ReadWriteOnce claim is attached to one node. */
final class ClaimAccess {
    private static final Duration RETRY = Duration.ofSeconds(1);

    private ClaimAccess() {}

    /** @throws NotRunnable when a volume is still attached elsewhere; it is tried again until it is not */
    static void check(Pod pod, PodApi api, Instant now) throws NotRunnable {
        for (Volume volume : pod.getSpec().getVolumes()) {
            if (volume.getPersistentVolumeClaim() != null) {
                check(pod, volume.getPersistentVolumeClaim().getClaimName(), api, now);
            }
        }
    }

    private static void check(Pod pod, String claim, PodApi api, Instant now) throws NotRunnable {
        List<String> modes = api.accessModes(pod.getMetadata().getNamespace(), claim);
        boolean shared = modes.isEmpty() || modes.contains("ReadWriteMany") || modes.contains("ReadOnlyMany");
        if (shared) {
            return;
        }
        boolean onePod = modes.contains("ReadWriteOncePod");
        List<Pod> others = api.otherUsers(pod, claim)
                .stream()
                .filter(other -> onePod || !other.getSpec().getNodeName().equals(pod.getSpec().getNodeName()))
                .toList();
        if (!others.isEmpty()) {
            throw NotRunnable.notYet("FailedAttachVolume", "Multi-Attach error for volume of claim \"" + claim
                    + "\": it is " + modes.getFirst() + " and already used by pod(s) "
                    + others.stream()
                            .map(other -> other.getMetadata().getName() + " on node " + other.getSpec().getNodeName())
                            .sorted()
                            .collect(Collectors.joining(", ")),
                    now.plus(RETRY));
        }
    }
}
