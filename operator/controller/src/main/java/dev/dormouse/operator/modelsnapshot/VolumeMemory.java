package dev.dormouse.operator.modelsnapshot;

import dev.dormouse.domain.snapshot.Survey;
import dev.dormouse.operator.desired.VolumeTrust;
import dev.dormouse.sidecar.api.StoreTask;
import dev.dormouse.sidecar.api.VolumeListing;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What is remembered of one volume; all of it can be lost. Guarded by its own lock. */
final class VolumeMemory {
    /** @param verified whether every chunk was compared with its checksum */
    record Restore(Instant at, boolean verified) {}

    /** @param at when reading began */
    record Verification(Instant at, StoreTask.Verified answer) {}

    final Map<String, VolumeUser> users = new HashMap<>();
    final Map<String, Restore> restores = new HashMap<>();
    /** The last answers of store pods, by id. */
    final Map<String, Verification> verifications = new HashMap<>();
    /** Reports of replicas after which the volume was listed already. */
    final Set<String> looked = new HashSet<>();
    VolumeListing listing = VolumeListing.EMPTY;
    @Nullable
    Survey survey;
    /** Whether the survey came after the last look at the resources. */
    boolean fresh;
    @Nullable
    Instant prunedAt;
    /** When the store pod under way was made; absent when it was not this process that made it. */
    @Nullable
    Instant workBegan;
    /** UID of the store pod whose outcome is known. */
    @Nullable
    String finishedPod;
    @Nullable
    Instant retryAt;
    /** Why the volume cannot be worked on at present. */
    @Nullable
    String trouble;
    /** UIDs for which a collection waited although no such pod exists. */
    Set<String> gonePods = Set.of();
    boolean namespaceEnds;

    /**
     * The keys of the volume, as far as its models agree about them.
     *
     * @return empty when they do not: then nobody's are right for all that is there
     */
    Optional<VolumeTrust> trust() {
        Set<VolumeTrust> all = users.values().stream().map(VolumeUser::trust).collect(Collectors.toUnmodifiableSet());
        return all.size() > 1 ? Optional.empty() : Optional.of(all.stream().findFirst().orElse(VolumeTrust.NONE));
    }

    /** Its resource goes: what was seen of it before makes no new one. A later look at the volume may. */
    void forget(String id) {
        listing = new VolumeListing(listing.snapshots().stream().filter(entry -> !entry.id().equals(id)).toList(),
                listing.refused().stream().filter(refused -> !refused.id().equals(id)).toList());
        if (survey != null) {
            Map<String, Boolean> left = new HashMap<>(survey.pinned());
            left.remove(id);
            survey = new Survey(survey.at(), left, survey.pruned(), survey.freed());
        }
    }
}
