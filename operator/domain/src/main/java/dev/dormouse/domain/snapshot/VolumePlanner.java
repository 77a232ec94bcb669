package dev.dormouse.domain.snapshot;

import dev.dormouse.domain.snapshot.VolumePlan.Work;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Compares the resources of a volume's snapshots with what was found there (S57: orphans in both directions). A deleted
 * resource goes only after its bytes were freed, unless the whole volume is gone or the user says otherwise.
 */
public final class VolumePlanner {

    /** What became of the claim. */
    public enum Claim {
        Present,
        /** Deleted, or being deleted: the bytes go with it. */
        Gone,
        /** The namespace is being deleted: nothing can be done on the volume any more. */
        NamespaceEnds
    }

    /**
     * @param survey the newest one; absent when nobody has looked
     * @param pruned when retention last began to run; absent: it never did
     */
    public record Situation(Claim claim, List<KnownSnapshot> known, Optional<Survey> survey, RetentionRule retention,
            Optional<Instant> pruned) {
        public Situation {
            known = List.copyOf(known);
        }
    }

    private final Situation s;
    private final Instant now;
    private final Map<String, String> release = new HashMap<>();
    private final Map<String, String> drop = new HashMap<>();
    private final Set<String> missing = new HashSet<>();
    private final Set<String> delete = new HashSet<>();
    private final Set<String> pin = new HashSet<>();
    private final Set<String> unpin = new HashSet<>();
    private final Map<String, String> verify = new HashMap<>();

    private VolumePlanner(Situation situation, Instant now) {
        this.s = situation;
        this.now = now;
    }

    public static VolumePlan plan(Situation situation, Instant now) {
        return new VolumePlanner(situation, now).plan();
    }

    private VolumePlan plan() {
        if (s.claim() != Claim.Present) {
            String why = s.claim() == Claim.Gone ? "its claim is gone, and the bytes with it" : "the namespace ends";
            s.known().forEach(known -> (known.deleting() ? release : drop).put(known.name(), why));
            return new VolumePlan(Set.of(), release, drop, Set.of(), Optional.empty(), Optional.empty());
        }
        s.known().forEach(this::judge);
        Set<String> ids = s.known().stream().map(KnownSnapshot::id).collect(Collectors.toUnmodifiableSet());
        Set<String> adopt = s.survey()
                .map(survey -> survey.pinned()
                        .keySet()
                        .stream()
                        .filter(id -> !ids.contains(id))
                        .collect(Collectors.toUnmodifiableSet()))
                .orElse(Set.of());
        Optional<Instant> due = pruneAt();
        boolean prune = due.filter(at -> !at.isAfter(now)).isPresent();
        Work work = new Work(delete, pin, unpin, prune, verify);
        return new VolumePlan(adopt, release, drop, missing, work.isEmpty() ? Optional.empty() : Optional.of(work),
                prune ? Optional.empty() : due);
    }

    private void judge(KnownSnapshot known) {
        if (known.deletedAt() != null) {
            judgeDeleted(known, known.deletedAt());
            return;
        }
        Optional<Survey> since = s.survey().filter(survey -> survey.at().isAfter(known.seenAt()));
        if (since.isPresent() && !since.get().has(known.id())) {
            if (since.get().pruned().contains(known.id())) {
                drop.put(known.name(), "retention deleted it");
            } else {
                missing.add(known.name());
            }
            return;
        }
        boolean pinnedThere = s.survey().map(survey -> survey.pinned().get(known.id())).orElse(known.pinned());
        if (known.pinned() && !pinnedThere) {
            pin.add(known.id());
        } else if (!known.pinned() && pinnedThere) {
            unpin.add(known.id());
        }
        if (known.verify() != null) {
            verify.put(known.id(), known.verify());
        }
    }

    private void judgeDeleted(KnownSnapshot known, Instant deletedAt) {
        if (known.bypass()) {
            release.put(known.name(), "its bytes are left alone, as its annotation says");
        } else if (s.survey()
                .filter(survey -> survey.freed() && survey.at().isAfter(deletedAt) && !survey.has(known.id()))
                .isPresent()) {
            release.put(known.name(), "its bytes are freed");
        } else {
            delete.add(known.id());
        }
    }

    /** Not again while nothing came since the last time, except when time passes for another one. */
    private Optional<Instant> pruneAt() {
        List<KnownSnapshot> present = s.known().stream().filter(known -> !missing.contains(known.name())).toList();
        Optional<Instant> due = s.retention().dueAt(present);
        boolean nothingNew = s.pruned()
                .filter(at -> present.stream().noneMatch(known -> known.seenAt().isAfter(at)))
                .isPresent();
        return due.filter(at -> !nothingNew || at.isAfter(s.pruned().orElseThrow()));
    }
}
