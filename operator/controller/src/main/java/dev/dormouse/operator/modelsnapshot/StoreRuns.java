package dev.dormouse.operator.modelsnapshot;

import dev.dormouse.domain.snapshot.RetentionRule;
import dev.dormouse.domain.snapshot.VolumePlan.Work;
import dev.dormouse.operator.desired.SidecarSettings;
import dev.dormouse.operator.desired.StorePod;
import dev.dormouse.operator.desired.VolumeTrust;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.StoreTask;
import dev.dormouse.operator.log.LogKeys;
import io.fabric8.kubernetes.api.model.ContainerStateTerminated;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Has volumes worked on: one store pod per claim at a time, under the claim's lease, deleted when its outcome is known. A
 * volume that cannot be worked on is tried again, and the reason is kept for status. Every method is called with the lock
 * of the volume's memory held.
 */
final class StoreRuns {
    private static final Logger LOG = LoggerFactory.getLogger(StoreRuns.class);
    private static final Duration RETRY = Duration.ofSeconds(30);
    /** Other nodes may believe what they know of a shared folder for up to a minute. */
    private static final Duration SHARED_SETTLE = Duration.ofSeconds(65);
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    private final KubernetesClient client;
    private final VolumeReader reader;
    private final CollectorLease lease;
    private final VolumeCache cache;
    private final SidecarSettings sidecar;
    private final Duration deadline;
    private final Clock clock;

    /**
     * @param sidecar what store pods are made of
     * @param deadline after which a store pod is ended and its lease void
     */
    StoreRuns(KubernetesClient client, VolumeReader reader, CollectorLease lease, VolumeCache cache,
            SidecarSettings sidecar, Duration deadline, Clock clock) {
        this.client = client;
        this.reader = reader;
        this.lease = lease;
        this.cache = cache;
        this.sidecar = sidecar;
        this.deadline = deadline;
        this.clock = clock;
    }

    /**
     * Reads the outcome of a store pod that runs, whoever made it.
     *
     * @param found called with the outcome, and when the work began
     */
    void follow(VolumeKey volume, VolumeMemory memory, BiConsumer<StoreTask.Outcome, Instant> found) {
        Optional<Pod> pod = cache.storePod(volume).filter(p -> !p.isMarkedForDeletion());
        if (pod.isEmpty() || pod.get().getStatus() == null || pod.get().getStatus().getPodIP() == null) {
            return;
        }
        String uid = pod.get().getMetadata().getUid();
        if (uid.equals(memory.finishedPod)) {
            return;
        }
        Instant began = memory.workBegan == null
                ? Instant.parse(pod.get().getMetadata().getCreationTimestamp())
                : memory.workBegan;
        reader.await(uid, pod.get().getStatus().getPodIP(), outcome -> {
            synchronized (memory) {
                memory.finishedPod = uid;
                settle(volume, memory, outcome);
            }
            found.accept(outcome, began);
        });
    }

    /** @return when to look again even if nothing happens */
    Optional<Instant> work(VolumeKey volume, VolumeMemory memory, Optional<Work> work, RetentionRule retention,
            Instant now) {
        Optional<Pod> present = cache.storePod(volume);
        if (present.isPresent()) {
            return attend(volume, memory, present.get(), now);
        }
        if (work.isEmpty()) {
            return Optional.empty();
        }
        if (memory.retryAt != null && memory.retryAt.isAfter(now)) {
            return Optional.of(memory.retryAt);
        }
        return Optional.of(begin(volume, memory, work.get(), retention, now));
    }

    private Optional<Instant> attend(VolumeKey volume, VolumeMemory memory, Pod pod, Instant now) {
        String uid = pod.getMetadata().getUid();
        if (pod.isMarkedForDeletion()) {
            return Optional.empty();
        }
        String phase = pod.getStatus() == null ? "" : String.valueOf(pod.getStatus().getPhase());
        Instant end = Instant.parse(pod.getMetadata().getCreationTimestamp()).plus(deadline);
        boolean known = uid.equals(memory.finishedPod);
        boolean ended = phase.equals("Failed") || phase.equals("Succeeded");
        if (!known && !ended && end.isAfter(now)) {
            return Optional.of(end);
        }
        if (!known) {
            memory.trouble = ended ? why(pod) : "the store pod did nothing for " + deadline.toSeconds() + " s";
            memory.retryAt = now.plus(RETRY);
            LOG.atWarn()
                    .addKeyValue(LogKeys.VOLUME, volume)
                    .addKeyValue(LogKeys.REASON, memory.trouble)
                    .log("the store pod failed");
        }
        reader.forget(uid);
        memory.workBegan = null;
        client.pods().inNamespace(volume.namespace()).withName(pod.getMetadata().getName()).withGracePeriod(0).delete();
        lease.release(volume);
        return Optional.ofNullable(memory.retryAt);
    }

    private Instant begin(VolumeKey volume, VolumeMemory memory, Work work, RetentionRule retention, Instant now) {
        Instant retry = now.plus(RETRY);
        Optional<PersistentVolumeClaim> claim = cache.claim(volume);
        if (claim.isEmpty()) {
            return retry;
        }
        List<Pod> mounting = cache.mounting(volume);
        List<String> modes = claim.get().getSpec().getAccessModes();
        if (modes.contains("ReadWriteOncePod") && !mounting.isEmpty()) {
            memory.trouble = "pod " + mounting.getFirst().getMetadata().getName()
                    + " mounts the claim alone (ReadWriteOncePod); the work follows when it sleeps";
            memory.retryAt = retry;
            return retry;
        }
        Optional<Instant> taken = lease.take(volume, deadline, now);
        if (taken.isPresent()) {
            memory.trouble = "another operator works on the volume until " + taken.get() + " at the latest";
            return taken.get();
        }
        boolean shared = modes.contains("ReadWriteMany");
        StoreTask task = new StoreTask(work.pin(), work.unpin(), work.delete(),
                work.prune() && retention.maxAge() != null ? retention.maxAge().toSeconds() : null,
                work.prune() ? retention.maxSnapshots() : 0, work.prune() ? retention.maxBytes() : 0,
                shared ? SHARED_SETTLE.toSeconds() : 0, PATIENCE.toSeconds(), memory.gonePods,
                work.verify());
        Optional<String> beside = shared || mounting.isEmpty()
                ? Optional.empty()
                : Optional.ofNullable(mounting.getFirst().getMetadata().getLabels().get(PodConventions.LABEL_MODEL));
        VolumeTrust trust = memory.trust().orElse(VolumeTrust.NONE);
        create(volume, memory, StorePod.of(claim.get(), task, sidecar, trust, deadline, beside), now);
        memory.workBegan = now;
        if (work.prune()) {
            memory.prunedAt = now;
        }
        return now.plus(deadline);
    }

    private void create(VolumeKey volume, VolumeMemory memory, Pod pod, Instant now) {
        try {
            client.resource(pod).create();
            LOG.atInfo().addKeyValue(LogKeys.VOLUME, volume).log("store pod created");
        } catch (KubernetesClientException e) {
            switch (e.getCode()) {
                // The cache is behind: it is there already.
                case HttpURLConnection.HTTP_CONFLICT -> {
                }
                case HttpURLConnection.HTTP_FORBIDDEN, HttpURLConnection.HTTP_NOT_FOUND -> {
                    memory.namespaceEnds = cache.namespaceEnds(volume.namespace());
                    memory.trouble = String.valueOf(e.getMessage());
                    memory.retryAt = now.plus(memory.namespaceEnds ? Duration.ofMillis(1) : RETRY);
                    lease.release(volume);
                }
                default -> throw e;
            }
        }
    }

    /** What the outcome means for the next run. */
    private void settle(VolumeKey volume, VolumeMemory memory, StoreTask.Outcome outcome) {
        memory.trouble = null;
        memory.retryAt = null;
        memory.gonePods = Set.of();
        if (!outcome.errors().isEmpty()) {
            memory.trouble = String.join("; ", outcome.errors());
            memory.retryAt = clock.instant().plus(RETRY);
        }
        if (!outcome.waitingFor().isEmpty()) {
            Set<String> gone = new HashSet<>(outcome.waitingFor());
            gone.removeAll(cache.livePods(volume));
            memory.gonePods = Set.copyOf(gone);
            memory.trouble = "pods " + outcome.waitingFor() + " still save or restore";
            memory.retryAt = gone.isEmpty() ? clock.instant().plus(RETRY) : null;
        }
    }

    private static String why(Pod pod) {
        if (pod.getStatus().getReason() != null) {
            return "the store pod ended: " + pod.getStatus().getReason();
        }
        return pod.getStatus()
                .getContainerStatuses()
                .stream()
                .map(c -> c.getState() == null ? null : c.getState().getTerminated())
                .filter(Objects::nonNull)
                .findFirst()
                .map((ContainerStateTerminated t) -> "the store pod ended with exit code " + t.getExitCode()
                        + "; see its log")
                .orElse("the store pod ended");
    }
}
