package dev.dormouse.domain.snapshot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.snapshot.VolumePlanner.Claim;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class VolumePlannerTest {
    private static final Instant T0 = Instant.parse("2026-01-01T00:00:00Z");
    private static final String KEY = "k";

    @Test
    @DisplayName("S57: bytes without a resource get one; a resource without bytes is told apart from one that retention took")
    void orphansAreFoundInBothDirections() {
        Survey survey = new Survey(T0.plusSeconds(10), Map.of("new", false), Set.of("old"), true);

        VolumePlan plan = plan(Claim.Present, List.of(known("old", 0), known("lost", 0)), survey,
                RetentionRule.KEEP_ALL);

        assertThat(plan.adopt()).containsExactly("new");
        assertThat(plan.drop()).containsOnlyKeys("n-old");
        assertThat(plan.missing()).containsExactly("n-lost");
        assertThat(plan.work()).isEmpty();
    }

    @Test
    void aResourceYoungerThanTheSurveyIsNotMissed() {
        Survey survey = new Survey(T0.plusSeconds(10), Map.of(), Set.of(), true);

        assertThat(plan(Claim.Present, List.of(known("young", 10)), survey, RetentionRule.KEEP_ALL).missing())
                .isEmpty();
    }

    @Test
    @DisplayName("S38: bytes first, then the finalizer; a survey from before the deletion or without freeing is not enough")
    void aDeletedSnapshotGoesWhenItsBytesAreFreed() {
        KnownSnapshot deleted = deleted("a", 20, false);
        Map<Survey, Boolean> releases = new HashMap<>();
        releases.put(new Survey(T0.plusSeconds(30), Map.of(), Set.of(), true), true);
        releases.put(new Survey(T0.plusSeconds(30), Map.of(), Set.of(), false), false);
        releases.put(new Survey(T0.plusSeconds(30), Map.of("a", false), Set.of(), true), false);
        releases.put(new Survey(T0.plusSeconds(20), Map.of(), Set.of(), true), false);

        releases.forEach((survey, released) -> {
            VolumePlan plan = plan(Claim.Present, List.of(deleted), survey, RetentionRule.KEEP_ALL);
            assertThat(plan.release().containsKey("n-a")).as("%s", survey).isEqualTo(released);
            assertThat(plan.work().map(VolumePlan.Work::delete).orElse(Set.of()).contains("a")).isEqualTo(!released);
        });
    }

    @Test
    void aPersonMayLetItGoWithoutItsBytes() {
        VolumePlan plan = plan(Claim.Present, List.of(deleted("a", 20, true)), null, RetentionRule.KEEP_ALL);

        assertThat(plan.release()).containsKey("n-a");
        assertThat(plan.work()).isEmpty();
    }

    @Test
    void withoutItsClaimOrNamespaceNothingIsWorkedOnAndNothingStays() {
        for (Claim claim : List.of(Claim.Gone, Claim.NamespaceEnds)) {
            VolumePlan plan = plan(claim, List.of(known("a", 0), deleted("b", 1, false)), null,
                    new RetentionRule(Duration.ofSeconds(1), 1, 1));

            assertThat(plan.drop()).containsOnlyKeys("n-a");
            assertThat(plan.release()).containsOnlyKeys("n-b");
            assertThat(plan.work()).isEmpty();
        }
    }

    @Test
    void aPinIsCarriedToTheVolumeAndBack() {
        KnownSnapshot pinned = known("a", 0, true);
        KnownSnapshot free = known("b", 0, false);
        Survey survey = new Survey(T0.plusSeconds(10), Map.of("a", false, "b", true), Set.of(), true);

        VolumePlan.Work work = plan(Claim.Present, List.of(pinned, free), survey, RetentionRule.KEEP_ALL).work()
                .orElseThrow();

        assertThat(work.pin()).containsExactly("a");
        assertThat(work.unpin()).containsExactly("b");
    }

    @Test
    @DisplayName("S39, S47: exactly maxAge is kept; the newest usable of a key and pinned ones never count")
    void ageIsDueOneMillisecondAfterIt() {
        RetentionRule rule = new RetentionRule(Duration.ofSeconds(100), 0, 0);
        List<KnownSnapshot> two = List.of(known("a", 0), known("b", 5));

        assertThat(rule.dueAt(two)).contains(T0.plusSeconds(100).plusMillis(1));
        assertThat(rule.dueAt(List.of(known("a", 0)))).isEmpty();
        assertThat(rule.dueAt(List.of(known("a", 0, true), known("b", 5)))).isEmpty();
        assertThat(VolumePlanner.plan(situation(two, rule, null), T0.plusSeconds(100)).work()).isEmpty();
        assertThat(VolumePlanner.plan(situation(two, rule, null), T0.plusSeconds(100)).recheckAt())
                .contains(T0.plusSeconds(100).plusMillis(1));
        assertThat(VolumePlanner.plan(situation(two, rule, null), T0.plusSeconds(101)).work().orElseThrow().prune())
                .isTrue();
    }

    @Test
    void countAndSizeAreDueAtOnceAndOnlyOncePerNewSnapshot() {
        for (RetentionRule rule : List.of(new RetentionRule(null, 2, 0), new RetentionRule(null, 0, 250))) {
            List<KnownSnapshot> three = List.of(known("a", 0), known("b", 5), known("c", 9));

            assertThat(VolumePlanner.plan(situation(three, rule, null), T0.plusSeconds(20)).work()).isPresent();
            assertThat(VolumePlanner.plan(situation(three, rule, T0.plusSeconds(15)), T0.plusSeconds(20)).work())
                    .as("what is left may be shared or pinned on the volume")
                    .isEmpty();
            assertThat(VolumePlanner.plan(situation(three, rule, T0.plusSeconds(8)), T0.plusSeconds(20)).work())
                    .isPresent();
            assertThat(rule.dueAt(three.subList(0, 2))).isEmpty();
        }
    }

    @Test
    void modelsThatShareAVolumeKeepWhatAnyOfThemWantsKept() {
        RetentionRule strict = new RetentionRule(Duration.ofSeconds(1), 1, 10);

        assertThat(RetentionRule.keepingMost(List.of(strict, new RetentionRule(Duration.ofSeconds(5), 3, 7))))
                .isEqualTo(new RetentionRule(Duration.ofSeconds(5), 3, 10));
        assertThat(RetentionRule.keepingMost(List.of(strict, RetentionRule.KEEP_ALL)))
                .isEqualTo(RetentionRule.KEEP_ALL);
        assertThat(RetentionRule.keepingMost(List.of())).isEqualTo(RetentionRule.KEEP_ALL);
    }

    private static VolumePlanner.Situation situation(List<KnownSnapshot> known, RetentionRule rule,
            @Nullable Instant pruned) {
        return new VolumePlanner.Situation(Claim.Present, known, Optional.empty(), rule, Optional.ofNullable(pruned));
    }

    @Test
    @DisplayName("S23: a wish to verify is work for a store pod, unless the bytes are gone or going")
    void aWishToVerifyIsWork() {
        Survey survey = new Survey(T0.plusSeconds(10), Map.of("here", false), Set.of(), true);

        VolumePlan plan = plan(Claim.Present,
                List.of(wished("here", null), wished("lost", null), wished("deleted", T0.plusSeconds(20))), survey,
                RetentionRule.KEEP_ALL);

        assertThat(plan.work().orElseThrow().verify()).isEqualTo(Map.of("here", "now"));
        assertThat(plan(Claim.Gone, List.of(wished("here", null)), survey, RetentionRule.KEEP_ALL).work()).isEmpty();
    }

    private static KnownSnapshot wished(String id, @Nullable Instant deletedAt) {
        return new KnownSnapshot("n-" + id, id, KEY, T0, 100, false, true, T0, deletedAt, false, "now");
    }

    private static VolumePlan plan(Claim claim, List<KnownSnapshot> known, @Nullable Survey survey,
            RetentionRule rule) {
        return VolumePlanner.plan(new VolumePlanner.Situation(claim, known, Optional.ofNullable(survey), rule,
                Optional.empty()), T0.plusSeconds(60));
    }

    private static KnownSnapshot known(String id, int at) {
        return known(id, at, false);
    }

    private static KnownSnapshot known(String id, int at, boolean pinned) {
        return new KnownSnapshot("n-" + id, id, KEY, T0.plusSeconds(at), 100, pinned, true, T0.plusSeconds(at), null,
                false, null);
    }

    private static KnownSnapshot deleted(String id, int at, boolean bypass) {
        return new KnownSnapshot("n-" + id, id, KEY, T0, 100, false, true, T0, T0.plusSeconds(at), bypass, null);
    }
}
