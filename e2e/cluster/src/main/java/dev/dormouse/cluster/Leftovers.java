package dev.dormouse.cluster;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/** What has to be done about owners that are gone or going, and about namespaces that are to end: decided from one look. */
final class Leftovers {
    static final String FOREGROUND = "foregroundDeletion";
    static final String ORPHAN = "orphan";

    private Leftovers() {}

    /** Where an object is: enough to ask for it again. */
    record Place(String apiVersion, String kind, String namespace, String name) {}

    /** @param blocks whether an owner that is deleted in the foreground waits for the object */
    record Owner(String uid, boolean blocks) {}

    /** What matters of an object here. */
    record Seen(Place place, String uid, List<Owner> owners, List<String> finalizers, boolean deleting) {
        private boolean ownedBy(String owner) {
            return owners.stream().anyMatch(each -> each.uid().equals(owner));
        }
    }

    sealed interface Step {
        /** Of this very object, not of another one with its name. */
        record Delete(Place place, String uid) implements Step {}

        record ForgetOwners(Place place, String uid, Set<String> owners) implements Step {}

        record RemoveFinalizer(Place place, String uid, String finalizer) implements Step {}

        /** Nothing is left in it. */
        record EndNamespace(String name, String uid) implements Step {}
    }

    static List<Step> steps(List<Seen> all) {
        Set<String> living = new HashSet<>();
        all.forEach(object -> living.add(object.uid()));
        List<Step> steps = new ArrayList<>();
        for (Seen object : all) {
            ownersOf(object, living).forEach(steps::add);
            if (object.deleting()) {
                dependentsOf(object, all).forEach(steps::add);
                if (object.place().kind().equals("Namespace")) {
                    contentsOf(object, all).forEach(steps::add);
                }
            }
        }
        return steps.stream().distinct().toList();
    }

    /** An object without a living owner goes; one that has another forgets those that are gone. */
    private static Stream<Step> ownersOf(Seen object, Set<String> living) {
        Set<String> gone = new HashSet<>();
        object.owners().stream().map(Owner::uid).filter(uid -> !living.contains(uid)).forEach(gone::add);
        if (gone.isEmpty() || object.deleting()) {
            return Stream.of();
        }
        return Stream.of(gone.size() == object.owners().size()
                ? new Step.Delete(object.place(), object.uid())
                : new Step.ForgetOwners(object.place(), object.uid(), gone));
    }

    private static Stream<Step> dependentsOf(Seen owner, List<Seen> all) {
        List<Seen> dependents = all.stream().filter(each -> each.ownedBy(owner.uid())).toList();
        if (owner.finalizers().contains(ORPHAN)) {
            return dependents.isEmpty()
                    ? Stream.of(new Step.RemoveFinalizer(owner.place(), owner.uid(), ORPHAN))
                    : dependents.stream()
                            .map(each -> new Step.ForgetOwners(each.place(), each.uid(), Set.of(owner.uid())));
        }
        if (!owner.finalizers().contains(FOREGROUND)) {
            return Stream.of();
        }
        boolean blocked = dependents.stream()
                .flatMap(each -> each.owners().stream())
                .anyMatch(each -> each.uid().equals(owner.uid()) && each.blocks());
        return blocked
                ? dependents.stream()
                        .filter(each -> !each.deleting())
                        .map(each -> new Step.Delete(each.place(), each.uid()))
                : Stream.of(new Step.RemoveFinalizer(owner.place(), owner.uid(), FOREGROUND));
    }

    private static Stream<Step> contentsOf(Seen namespace, List<Seen> all) {
        String name = namespace.place().name();
        List<Seen> contents = all.stream().filter(each -> each.place().namespace().equals(name)).toList();
        return contents.isEmpty()
                ? Stream.of(new Step.EndNamespace(name, namespace.uid()))
                : contents.stream()
                        .filter(each -> !each.deleting())
                        .map(each -> new Step.Delete(each.place(), each.uid()));
    }
}
