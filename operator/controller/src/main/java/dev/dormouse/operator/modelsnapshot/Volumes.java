package dev.dormouse.operator.modelsnapshot;

import dev.dormouse.api.v1alpha1.ModelSnapshot;
import dev.dormouse.api.v1alpha1.ModelSnapshotStatus;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.snapshot.KnownSnapshot;
import dev.dormouse.domain.snapshot.RetentionRule;
import dev.dormouse.domain.snapshot.Survey;
import dev.dormouse.domain.snapshot.VolumePlan;
import dev.dormouse.domain.snapshot.VolumePlanner;
import dev.dormouse.operator.status.Conditions;
import dev.dormouse.operator.status.Timestamps;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SnapshotReport;
import dev.dormouse.sidecar.api.StoreTask;
import dev.dormouse.sidecar.api.VolumeListing;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Tends the snapshots of every volume: one resource per snapshot, no bytes without a resource and no resource without
 * bytes unsaid, retention, and freeing what was deleted. One thread per volume at a time, behind the lock of its memory.
 */
public final class Volumes implements AutoCloseable {
    private final SnapshotObjects objects;
    private final StoreRuns runs;
    private final VolumeReader reader;
    private final VolumeCache cache;
    private final Clock clock;
    private final Consumer<VolumeKey> changed;
    private final Consumer<ModelKey> modelChanged;
    private final Map<VolumeKey, VolumeMemory> memories = new ConcurrentHashMap<>();

    /**
     * @param changed has a volume tended again, on a thread that must not be held up
     * @param modelChanged has a model reconciled, the same
     */
    Volumes(SnapshotObjects objects, StoreRuns runs, VolumeReader reader, VolumeCache cache, Clock clock,
            Consumer<VolumeKey> changed, Consumer<ModelKey> modelChanged) {
        this.objects = objects;
        this.runs = runs;
        this.reader = reader;
        this.cache = cache;
        this.clock = clock;
        this.changed = changed;
        this.modelChanged = modelChanged;
    }

    /** A model keeps its snapshots on this volume. */
    public void uses(VolumeKey volume, String model, VolumeUser now) {
        VolumeMemory memory = memory(volume);
        boolean otherRule;
        synchronized (memory) {
            VolumeUser before = memory.users.put(model, now);
            otherRule = before == null || !before.retention().equals(now.retention());
            if (otherRule) {
                memory.prunedAt = null;
            }
        }
        if (otherRule && !cache.snapshots(volume).isEmpty()) {
            changed.accept(volume);
        }
    }

    /** A model is gone. @param delete whether its snapshots are to go as well */
    public void left(VolumeKey volume, String model, boolean delete) {
        VolumeMemory memory = memory(volume);
        synchronized (memory) {
            memory.users.remove(model);
        }
        if (delete) {
            cache.snapshots(volume).stream().filter(s -> model.equals(s.getSpec().model())).forEach(objects::delete);
        }
    }

    /**
     * A replica's sidecar tells about its snapshot. Whenever something new came of it the volume is listed, and the model
     * reconciled when the answer is there.
     *
     * @param verifies whether restores compare every chunk with its checksum
     */
    public void told(VolumeKey volume, ModelKey model, String podIp, SidecarStatus report, boolean verifies) {
        SnapshotReport snapshot = report.snapshot();
        VolumeMemory memory = memory(volume);
        synchronized (memory) {
            if (snapshot.state() == SnapshotReport.State.Restored && snapshot.id() != null
                    && report.readyAtEpochMicros() > 0) {
                Instant at = Instant.EPOCH.plus(report.readyAtEpochMicros(), ChronoUnit.MICROS);
                memory.restores.merge(snapshot.id(), new VolumeMemory.Restore(at, verifies),
                        (a, b) -> a.at().isAfter(b.at()) ? a : b);
            }
            boolean settled = switch (snapshot.state()) {
                case Saved, Restored, Quarantined -> true;
                case Absent, Restoring, Saving, Failed, Skipped -> false;
            };
            String sign = report.podUid() + "/" + report.instance() + "/" + snapshot.state() + "/" + snapshot.id();
            if (!settled || !memory.looked.add(sign)) {
                return;
            }
        }
        Instant at = clock.instant();
        reader.list(podIp, listing -> {
            found(volume, listing, at, Set.of(), false);
            modelChanged.accept(model);
        });
    }

    /** Tends a volume if something new was found there. */
    public void tendIfNew(VolumeKey volume) {
        VolumeMemory memory = memory(volume);
        synchronized (memory) {
            if (memory.fresh) {
                tend(volume);
            }
        }
    }

    /** How many snapshots there are, by the reason of their condition Ready. */
    public Map<String, Integer> states() {
        return cache.states();
    }

    /** @return when to look again even if nothing happens */
    Optional<Instant> tend(VolumeKey volume) {
        VolumeMemory memory = memory(volume);
        synchronized (memory) {
            Instant now = clock.instant();
            List<ModelSnapshot> snapshots = cache.snapshots(volume);
            runs.follow(volume, memory, (outcome, at) -> {
                verified(volume, outcome.verified(), at);
                found(volume, outcome.listing(), at, Set.copyOf(outcome.pruned()), outcome.waitingFor().isEmpty());
                changed.accept(volume);
            });
            RetentionRule retention = RetentionRule
                    .keepingMost(memory.users.values().stream().map(VolumeUser::retention).toList());
            VolumePlan plan = VolumePlanner.plan(new VolumePlanner.Situation(claim(volume, memory),
                    snapshots.stream().map(s -> known(s, wish(volume, s, memory))).toList(),
                    Optional.ofNullable(memory.survey), retention,
                    Optional.ofNullable(memory.prunedAt)), now);
            memory.fresh = false;
            carryOut(volume, memory, snapshots, plan, now);
            Optional<Instant> again = runs.work(volume, memory, plan.work(), retention, now);
            return again.isPresent() ? again : plan.recheckAt();
        }
    }

    @Override
    public void close() {
        reader.close();
    }

    private VolumePlanner.Claim claim(VolumeKey volume, VolumeMemory memory) {
        if (memory.namespaceEnds) {
            return VolumePlanner.Claim.NamespaceEnds;
        }
        return cache.claimGone(volume) ? VolumePlanner.Claim.Gone : VolumePlanner.Claim.Present;
    }

    private void carryOut(VolumeKey volume, VolumeMemory memory, List<ModelSnapshot> snapshots, VolumePlan plan,
            Instant now) {
        for (VolumeListing.Entry entry : memory.listing.snapshots()) {
            if (plan.adopt().contains(entry.id())) {
                objects.create(volume, entry, modelOf(memory, entry).orElse(null));
            }
        }
        for (ModelSnapshot snapshot : snapshots) {
            String name = snapshot.getMetadata().getName();
            if (plan.release().containsKey(name)) {
                objects.release(snapshot, plan.release().getOrDefault(name, ""));
                memory.forget(snapshot.getSpec().snapshotId());
            } else if (plan.drop().containsKey(name)) {
                objects.delete(snapshot);
            } else {
                ModelSnapshotStatus status = SnapshotStatusFactory
                        .of(new SnapshotStatusFactory.View(snapshot, memory.listing, plan.missing().contains(name),
                                memory.restores.get(snapshot.getSpec().snapshotId()),
                                memory.verifications.get(snapshot.getSpec().snapshotId()), memory.trouble, now));
                objects.writeStatus(snapshot, status);
            }
        }
    }

    /** The only model on the volume, or the only one with this key. */
    private static Optional<String> modelOf(VolumeMemory memory, VolumeListing.Entry entry) {
        List<String> candidates = memory.users.entrySet()
                .stream()
                .filter(user -> memory.users.size() == 1 || user.getValue().key().equals(entry.key()))
                .map(Map.Entry::getKey)
                .toList();
        return candidates.size() == 1 ? Optional.of(candidates.getFirst()) : Optional.empty();
    }

    private void found(VolumeKey volume, VolumeListing listing, Instant at, Set<String> pruned, boolean freed) {
        VolumeMemory memory = memory(volume);
        synchronized (memory) {
            if (memory.survey != null && memory.survey.at().isAfter(at)) {
                return;
            }
            Map<String, Boolean> pinned = new HashMap<>();
            listing.snapshots().forEach(entry -> pinned.put(entry.id(), entry.pinned()));
            listing.refused().forEach(refused -> pinned.putIfAbsent(refused.id(), false));
            memory.listing = listing;
            memory.survey = new Survey(at, pinned, pruned, freed);
            memory.fresh = true;
        }
    }

    private void verified(VolumeKey volume, List<StoreTask.Verified> answers, Instant at) {
        VolumeMemory memory = memory(volume);
        synchronized (memory) {
            answers.forEach(answer -> memory.verifications.put(answer.id(), new VolumeMemory.Verification(at, answer)));
        }
    }

    /**
     * The verification that is wished and neither answered in status nor, since the status was read, by a store pod. It
     * waits for the model's first word after a start of this process, which says with which keys.
     */
    private @Nullable String wish(VolumeKey volume, ModelSnapshot snapshot, VolumeMemory memory) {
        String wished = annotations(snapshot).getOrDefault(SnapshotObjects.VERIFY, "");
        VolumeMemory.Verification answered = memory.verifications.get(snapshot.getSpec().snapshotId());
        ModelSnapshotStatus status = snapshot.getStatus();
        boolean known = wished.isBlank()
                || answered != null && answered.answer().mark().equals(wished)
                || status != null && status.verification != null && status.verification.requested().equals(wished);
        boolean early = !known && memory.users.isEmpty() && snapshot.getSpec().model() != null
                && cache.keeps(volume, snapshot.getSpec().model());
        return known || early ? null : wished;
    }

    private static Map<String, String> annotations(ModelSnapshot snapshot) {
        return Optional.ofNullable(snapshot.getMetadata().getAnnotations()).orElse(Map.of());
    }

    private static KnownSnapshot known(ModelSnapshot snapshot, @Nullable String wish) {
        Optional<ModelSnapshotStatus> status = Optional.ofNullable(snapshot.getStatus());
        boolean usable = status.flatMap(s -> Conditions.find(s.conditions, Conditions.READY))
                .filter(c -> "True".equals(c.getStatus()))
                .isPresent();
        return new KnownSnapshot(snapshot.getMetadata().getName(), snapshot.getSpec().snapshotId(),
                snapshot.getSpec().key(), status.flatMap(s -> Timestamps.parse(s.createdAt)).orElse(null),
                status.map(s -> s.storedBytes).orElse(0L), snapshot.getSpec().pinned(), usable,
                Instant.parse(snapshot.getMetadata().getCreationTimestamp()),
                Timestamps.parse(snapshot.getMetadata().getDeletionTimestamp()).orElse(null),
                "true".equals(annotations(snapshot).get(SnapshotObjects.BYPASS)), wish);
    }

    private VolumeMemory memory(VolumeKey volume) {
        return memories.computeIfAbsent(volume, key -> new VolumeMemory());
    }
}
