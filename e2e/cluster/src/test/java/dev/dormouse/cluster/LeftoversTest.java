package dev.dormouse.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.cluster.Leftovers.Owner;
import dev.dormouse.cluster.Leftovers.Place;
import dev.dormouse.cluster.Leftovers.Seen;
import dev.dormouse.cluster.Leftovers.Step;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class LeftoversTest {
    private static Place place(String name) {
        return new Place("v1", "ConfigMap", "default", name);
    }

    private static Seen map(String name, Owner... owners) {
        return new Seen(place(name), name, List.of(owners), List.of(), false);
    }

    private static Seen going(Seen seen, String... finalizers) {
        return new Seen(seen.place(), seen.uid(), seen.owners(), List.of(finalizers), true);
    }

    private static Owner owner(String uid) {
        return new Owner(uid, true);
    }

    private static List<Step> steps(Seen... all) {
        return Leftovers.steps(Arrays.asList(all));
    }

    @Test
    void nothingIsDoneWhereOwnersLive() {
        assertThat(steps(map("a"), map("b", owner("a")), map("c", owner("a"), owner("b")))).isEmpty();
    }

    @Test
    void anObjectWhoseOwnersAreAllGoneGoes() {
        assertThat(steps(map("b", owner("a")))).containsExactly(new Step.Delete(place("b"), "b"));
        assertThat(steps(map("b", owner("a"), owner("x")))).containsExactly(new Step.Delete(place("b"), "b"));
    }

    @Test
    void anObjectThatHasAnotherOwnerForgetsTheOneThatIsGone() {
        assertThat(steps(map("a"), map("b", owner("a"), owner("x"))))
                .containsExactly(new Step.ForgetOwners(place("b"), "b", Set.of("x")));
    }

    @Test
    void anObjectThatIsGoingAlreadyIsLeftToItsFinalizers() {
        assertThat(steps(going(map("b", owner("a")), "a.test/one"))).isEmpty();
    }

    @Test
    void inTheForegroundDependentsGoFirst() {
        assertThat(steps(going(map("a"), Leftovers.FOREGROUND), map("b", owner("a"))))
                .containsExactly(new Step.Delete(place("b"), "b"));
        assertThat(steps(going(map("a"), Leftovers.FOREGROUND), going(map("b", owner("a")), "a.test/one"))).isEmpty();
        assertThat(steps(going(map("a"), Leftovers.FOREGROUND)))
                .containsExactly(new Step.RemoveFinalizer(place("a"), "a", Leftovers.FOREGROUND));
        assertThat(steps(going(map("a"), Leftovers.FOREGROUND), map("b", new Owner("a", false))))
                .as("waits for nobody who does not block")
                .containsExactly(new Step.RemoveFinalizer(place("a"), "a", Leftovers.FOREGROUND));
    }

    @Test
    void orphansForgetTheirOwnerBeforeItGoes() {
        assertThat(steps(going(map("a"), Leftovers.ORPHAN), map("b", owner("a"))))
                .containsExactly(new Step.ForgetOwners(place("b"), "b", Set.of("a")));
        assertThat(steps(going(map("a"), Leftovers.ORPHAN)))
                .containsExactly(new Step.RemoveFinalizer(place("a"), "a", Leftovers.ORPHAN));
    }

    @Test
    void aNamespaceEndsWhenEverythingInItIsGone() {
        Seen namespace = new Seen(new Place("v1", "Namespace", "", "default"), "n", List.of(), List.of(), true);
        assertThat(steps(namespace, map("a"))).containsExactly(new Step.Delete(place("a"), "a"));
        assertThat(steps(namespace, going(map("a"), "a.test/one"))).isEmpty();
        assertThat(steps(namespace)).containsExactly(new Step.EndNamespace("default", "n"));
    }
}
