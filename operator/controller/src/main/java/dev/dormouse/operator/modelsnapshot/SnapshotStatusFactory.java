package dev.dormouse.operator.modelsnapshot;

import dev.dormouse.api.v1alpha1.ModelSnapshot;
import dev.dormouse.api.v1alpha1.ModelSnapshotStatus;
import dev.dormouse.operator.status.Conditions;
import dev.dormouse.operator.status.Conditions.Verdict;
import dev.dormouse.operator.status.Timestamps;
import dev.dormouse.sidecar.api.StoreTask;
import dev.dormouse.sidecar.api.VolumeListing;
import java.time.Instant;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Computes the status of a ModelSnapshot, and nothing else: the same view always gives the same status. */
final class SnapshotStatusFactory {
    /** Codes of the sidecar; see docs/snapshot-format.md. */
    private static final Set<String> DISTRUST = Set.of("SignatureMissing", "SignatureInvalid", "UntrustedKey",
            "NotEncrypted");

    /**
     * @param listing what was found on the volume
     * @param missing whether it was looked for and not found
     * @param restore the newest restore; absent when none is known
     * @param verification the newest answer of a store pod; absent when none is known
     * @param trouble why the bytes of a deleted snapshot are not freed yet
     */
    record View(ModelSnapshot snapshot, VolumeListing listing, boolean missing, VolumeMemory.@Nullable Restore restore,
            VolumeMemory.@Nullable Verification verification, @Nullable String trouble, Instant now) {}

    private SnapshotStatusFactory() {}

    static ModelSnapshotStatus of(View view) {
        ModelSnapshotStatus last = view.snapshot().getStatus() == null
                ? new ModelSnapshotStatus()
                : view.snapshot().getStatus();
        String id = view.snapshot().getSpec().snapshotId();
        Optional<VolumeListing.Entry> entry = view.listing()
                .snapshots()
                .stream()
                .filter(e -> e.id().equals(id))
                .findFirst();
        Optional<VolumeListing.Refused> refused = view.listing()
                .refused()
                .stream()
                .filter(r -> r.id().equals(id))
                .findFirst();
        ModelSnapshotStatus next = copy(last);
        next.observedGeneration = view.snapshot().getMetadata().getGeneration();
        entry.ifPresent(found -> fill(next, found));
        if (view.restore() != null) {
            next.lastRestoredAt = later(last.lastRestoredAt, view.restore().at());
            if (view.restore().verified()) {
                next.lastVerifiedAt = later(last.lastVerifiedAt, view.restore().at());
            }
        }
        if (view.verification() != null) {
            verified(next, view.verification());
        }
        Conditions conditions = Conditions.after(last.conditions, next.observedGeneration, view.now());
        judge(conditions, view, entry.isPresent(), refused, last);
        next.conditions = conditions.list();
        return next;
    }

    private static void judge(Conditions conditions, View view, boolean usable,
            Optional<VolumeListing.Refused> refused, ModelSnapshotStatus last) {
        if (view.snapshot().isMarkedForDeletion()) {
            conditions.add(Conditions.READY, Verdict.False, "Deleting", view.trouble() == null
                    ? "its bytes are being freed"
                    : "its bytes are not freed yet: " + view.trouble() + "; the annotation " + SnapshotObjects.BYPASS
                            + "=true lets it go without");
        } else if (refused.isPresent()) {
            // What is not trusted is not damaged either: with the right keys it may be used again.
            String why = DISTRUST.contains(refused.get().reason()) ? "Untrusted" : "Quarantined";
            conditions.add(Conditions.READY, Verdict.False, why, refused.get().reason() + ": "
                    + (refused.get().message() == null ? "" : refused.get().message()));
        } else if (view.missing()) {
            conditions.add(Conditions.READY, Verdict.False, "BytesMissing",
                    "the volume has no such snapshot any more; delete this resource");
        } else if (usable) {
            conditions.add(Conditions.READY, Verdict.True, "Usable", "a wake may restore it");
        } else {
            // Nobody has looked since this process began: what was known stays.
            Conditions.find(last.conditions, Conditions.READY)
                    .ifPresentOrElse(
                            known -> conditions.add(Conditions.READY, Verdict.valueOf(known.getStatus()),
                                    known.getReason(), known.getMessage()),
                            () -> conditions.add(Conditions.READY, Verdict.Unknown, "NotSeen",
                                    "nobody has looked at the volume yet"));
        }
    }

    private static void fill(ModelSnapshotStatus status, VolumeListing.Entry found) {
        status.createdAt = found.createdAt();
        status.rawBytes = found.rawBytes();
        status.storedBytes = found.storedBytes();
        status.buffers = found.buffers();
        status.files = found.files();
        status.digest = found.weightsDigest();
        status.compatibility = found.compatibility();
    }

    private static void verified(ModelSnapshotStatus status, VolumeMemory.Verification verification) {
        StoreTask.Verified answer = verification.answer();
        String at = Timestamps.seconds(verification.at());
        boolean read = answer.verdict() != StoreTask.Verdict.Failed;
        status.verification = new ModelSnapshotStatus.Verification(answer.mark(), at, answer.verdict().name(),
                read ? answer.chunks() : null, read ? answer.rawBytes() : null,
                answer.problems().isEmpty() ? null : answer.problems());
        if (answer.verdict() == StoreTask.Verdict.Intact) {
            status.lastVerifiedAt = later(status.lastVerifiedAt, verification.at());
        }
    }

    private static ModelSnapshotStatus copy(ModelSnapshotStatus from) {
        ModelSnapshotStatus to = new ModelSnapshotStatus();
        to.createdAt = from.createdAt;
        to.rawBytes = from.rawBytes;
        to.storedBytes = from.storedBytes;
        to.buffers = from.buffers;
        to.files = from.files;
        to.digest = from.digest;
        to.compatibility = from.compatibility;
        to.lastVerifiedAt = from.lastVerifiedAt;
        to.lastRestoredAt = from.lastRestoredAt;
        to.verification = from.verification;
        return to;
    }

    private static String later(@Nullable String known, Instant at) {
        return Timestamps.parse(known)
                .filter(before -> before.isAfter(at))
                .map(Timestamps::seconds)
                .orElse(Timestamps.seconds(at));
    }
}
