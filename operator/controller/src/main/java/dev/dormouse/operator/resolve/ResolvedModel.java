package dev.dormouse.operator.resolve;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.domain.replica.ReplicaNames;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;

/** What the references of a model's spec point to. */
public sealed interface ResolvedModel {

    /**
     * Everything is there, or the operator creates it.
     *
     * @param snapshotClaim name of the claim that holds the snapshots; absent when snapshots are off
     */
    record Resolved(ModelSource source, Optional<String> snapshotClaim) implements ResolvedModel {}

    /** Something is missing that may still come: heals by itself. */
    record Missing(Resolved target, String reason, String message) implements ResolvedModel {}

    /** Only another spec helps. */
    record Impossible(String reason, String message) implements ResolvedModel {}

    /**
     * @param claimExists whether a claim of that name exists in the model's namespace
     * @param poolExists whether there is a GpuPool of that name
     */
    static ResolvedModel of(InferenceModel model, Predicate<String> claimExists, Predicate<String> poolExists) {
        String name = model.getMetadata().getName();
        if (name.length() > ReplicaNames.LONGEST_MODEL) {
            return new Impossible("NameTooLong", "the name has " + name.length() + " characters; with more than "
                    + ReplicaNames.LONGEST_MODEL + " no pod can be named after it");
        }
        ModelSource source = ModelSource.parse(model.getSpec().model().uri());
        if (source instanceof ModelSource.Unsupported unsupported) {
            return new Impossible(unsupported.reason(), unsupported.message());
        }
        Resolved resolved = new Resolved(source, snapshotClaim(model));
        String pool = model.getSpec().pool();
        if (pool != null && !poolExists.test(pool)) {
            return new Missing(resolved, "PoolMissing", "GpuPool " + pool + " does not exist");
        }
        List<String> missing = claimsOfOthers(model).stream().filter(claimExists.negate()).toList();
        return missing.isEmpty()
                ? resolved
                : new Missing(resolved, "ClaimMissing", "persistent volume claim " + String.join(", ", missing)
                        + " does not exist in namespace " + model.getMetadata().getNamespace());
    }

    /** The claim of a model that Dormouse creates when it is missing. */
    static String ownClaim(InferenceModel model) {
        return model.getMetadata().getName() + "-snapshots";
    }

    /** Whether the snapshots' claim is ours to create, and perhaps to delete. */
    static boolean ownsSnapshotClaim(InferenceModel model) {
        return model.getSpec().snapshot().enabled() && model.getSpec().snapshot().persistentVolumeClaim() == null;
    }

    /** The claim that holds the model's snapshots; absent when snapshots are off. */
    static Optional<String> snapshotClaim(InferenceModel model) {
        if (!model.getSpec().snapshot().enabled()) {
            return Optional.empty();
        }
        String named = model.getSpec().snapshot().persistentVolumeClaim();
        return Optional.of(named == null ? ownClaim(model) : named);
    }

    /** Every claim the model names, ours included: an event of one of them concerns the model. */
    static List<String> claims(InferenceModel model) {
        List<String> names = new ArrayList<>(claimsOfOthers(model));
        if (ownsSnapshotClaim(model)) {
            names.add(ownClaim(model));
        }
        return names;
    }

    private static List<String> claimsOfOthers(InferenceModel model) {
        List<String> names = new ArrayList<>();
        if (ModelSource.parse(model.getSpec().model().uri()) instanceof ModelSource.Claim claim) {
            names.add(claim.claim());
        }
        if (model.getSpec().snapshot().enabled() && model.getSpec().snapshot().persistentVolumeClaim() != null) {
            names.add(model.getSpec().snapshot().persistentVolumeClaim());
        }
        return names;
    }
}
