package dev.dormouse.cluster.kubelet;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.cluster.kubelet.ContainerRun.Role;
import dev.dormouse.cluster.kubelet.ContainerRun.Running;
import dev.dormouse.cluster.kubelet.PodPlan.Kill;
import dev.dormouse.cluster.kubelet.PodPlan.RestartPolicy;
import dev.dormouse.cluster.kubelet.PodPlan.Start;
import dev.dormouse.cluster.kubelet.PodPlan.Stop;
import dev.dormouse.cluster.kubelet.PodPlan.Terms;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class PodPlanTest {
    private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");
    private static final Duration BASE = Duration.ofSeconds(10);
    private static final Duration MAX = Duration.ofMinutes(5);
    private static final Terms ALWAYS = new Terms(RestartPolicy.ALWAYS, Duration.ofSeconds(30));
    private static final Terms NEVER = new Terms(RestartPolicy.NEVER, Duration.ofSeconds(30));

    private static ContainerRun pending(String name, Role role) {
        return ContainerRun.pending(name, role, 0);
    }

    private static ContainerRun running(String name, Role role) {
        return pending(name, role).started(NOW, 1, true, true);
    }

    private static ContainerRun ended(String name, Role role, int exitCode) {
        return running(name, role).ended(exitCode, "Error", "", NOW, BASE, MAX);
    }

    private static PodPlan next(Terms terms, ContainerRun... runs) {
        return PodPlan.next(List.of(runs), terms, Optional.empty(), NOW);
    }

    @Test
    void init_containers_run_one_after_the_other_and_before_everything_else() {
        assertThat(next(ALWAYS, pending("a", Role.INIT), pending("b", Role.INIT), pending("m", Role.MAIN)).steps())
                .containsExactly(new Start("a"));
        assertThat(next(ALWAYS, running("a", Role.INIT), pending("b", Role.INIT), pending("m", Role.MAIN)).steps())
                .isEmpty();
        assertThat(next(ALWAYS, ended("a", Role.INIT, 0), pending("b", Role.INIT), pending("m", Role.MAIN)).steps())
                .containsExactly(new Start("b"));
    }

    @Test
    void nothing_starts_behind_a_sidecar_until_its_startup_probe_has_succeeded() {
        ContainerRun starting = pending("s", Role.SIDECAR).started(NOW, 1, false, false);

        assertThat(next(ALWAYS, starting, pending("m", Role.MAIN)).steps()).isEmpty();

        ContainerRun started = starting.with(((Running) starting.state()).withProbes(true, false));
        assertThat(next(ALWAYS, started, pending("m", Role.MAIN)).steps()).containsExactly(new Start("m"));
    }

    @Test
    void a_sidecar_that_dies_later_restarts_without_holding_back_the_others() {
        assertThat(next(ALWAYS, ended("s", Role.SIDECAR, 1), pending("m", Role.MAIN)).steps())
                .containsExactly(new Start("s"), new Start("m"));
    }

    @Test
    void all_main_containers_start_together() {
        assertThat(next(ALWAYS, pending("m", Role.MAIN), pending("n", Role.MAIN)).steps())
                .containsExactly(new Start("m"), new Start("n"));
    }

    @Test
    void a_crashing_container_restarts_at_once_and_then_backs_off() {
        ContainerRun once = ended("m", Role.MAIN, 1);
        assertThat(next(ALWAYS, once).steps()).containsExactly(new Start("m"));

        ContainerRun twice = once.started(NOW, 2, true, true).ended(1, "Error", "", NOW, BASE, MAX);
        PodPlan plan = next(ALWAYS, twice);

        assertThat(plan.steps()).isEmpty();
        assertThat(plan.lookAgainAt()).contains(NOW.plus(BASE));
        assertThat(plan.finished()).isFalse();
    }

    @Test
    void back_off_doubles_up_to_its_maximum() {
        assertThat(List.of(1, 2, 3, 4, 6, 7, 1_000)).extracting(n -> ContainerRun.backOff(n, BASE, MAX).toSeconds())
                .containsExactly(0L, 10L, 20L, 40L, 160L, 300L, 300L);
    }

    @Test
    void a_long_run_clears_the_back_off() {
        ContainerRun crashedOften = ended("m", Role.MAIN, 1).started(NOW, 2, true, true)
                .ended(1, "Error", "", NOW, BASE,
                        MAX);

        ContainerRun afterLongRun = crashedOften.started(NOW, 3, true, true)
                .ended(1, "Error", "",
                        NOW.plus(Duration.ofMinutes(11)), BASE, MAX);

        assertThat(afterLongRun.crashes()).isEqualTo(1);
        assertThat(afterLongRun.restarts()).isEqualTo(2);
    }

    @Test
    void restart_policies_decide_which_ends_are_final() {
        Terms onFailure = new Terms(RestartPolicy.ON_FAILURE, Duration.ofSeconds(30));

        assertThat(next(NEVER, ended("m", Role.MAIN, 1)).finished()).isTrue();
        assertThat(next(onFailure, ended("m", Role.MAIN, 0)).finished()).isTrue();
        assertThat(next(onFailure, ended("m", Role.MAIN, 1)).steps()).containsExactly(new Start("m"));
        assertThat(next(ALWAYS, ended("m", Role.MAIN, 0)).steps()).containsExactly(new Start("m"));
    }

    @Test
    void a_failed_init_container_of_a_pod_that_never_restarts_ends_the_pod() {
        PodPlan plan = next(NEVER, running("s", Role.SIDECAR), ended("a", Role.INIT, 1), pending("m", Role.MAIN));

        assertThat(plan.steps()).singleElement().isInstanceOf(Stop.class).extracting("container").isEqualTo("s");
        assertThat(next(NEVER, ended("a", Role.INIT, 1), pending("m", Role.MAIN)).finished()).isTrue();
    }

    @Test
    void sidecars_stop_in_reverse_order_once_the_work_is_done() {
        PodPlan first = next(NEVER, running("s", Role.SIDECAR), running("t", Role.SIDECAR), ended("m", Role.MAIN, 0));
        assertThat(first.steps()).extracting(PodPlan.Step::container).containsExactly("t");

        PodPlan second = next(NEVER, running("s", Role.SIDECAR), ended("t", Role.SIDECAR, 143),
                ended("m", Role.MAIN, 0));
        assertThat(second.steps()).extracting(PodPlan.Step::container).containsExactly("s");
    }

    @Test
    void deletion_stops_main_containers_before_sidecars_and_kills_when_the_grace_is_over() {
        Optional<Instant> stopBy = Optional.of(NOW.plusSeconds(5));
        ContainerRun sidecar = running("s", Role.SIDECAR);
        ContainerRun main = running("m", Role.MAIN);

        PodPlan first = PodPlan.next(List.of(sidecar, main), ALWAYS, stopBy, NOW);
        assertThat(first.steps()).containsExactly(new Stop("m", NOW.plusSeconds(5), "the pod is deleted"));

        ContainerRun stopping = main.with(((Running) main.state()).stopping(NOW.plusSeconds(5)));
        PodPlan waiting = PodPlan.next(List.of(sidecar, stopping), ALWAYS, stopBy, NOW);
        assertThat(waiting.steps()).isEmpty();
        assertThat(waiting.lookAgainAt()).contains(NOW.plusSeconds(5));

        PodPlan late = PodPlan.next(List.of(sidecar, stopping), ALWAYS, stopBy, NOW.plusSeconds(5));
        assertThat(late.steps()).containsExactly(new Kill("m"));

        PodPlan after = PodPlan.next(List.of(sidecar, ended("m", Role.MAIN, 137)), ALWAYS, stopBy, NOW.plusSeconds(6));
        assertThat(after.steps()).containsExactly(new Stop("s", NOW.plusSeconds(8), "the pod is deleted"));
    }

    @Test
    void a_shorter_grace_overrides_a_longer_one_and_never_the_other_way() {
        ContainerRun main = running("m", Role.MAIN);
        ContainerRun stopping = main.with(((Running) main.state()).stopping(NOW.plusSeconds(30)));

        assertThat(PodPlan.next(List.of(stopping), ALWAYS, Optional.of(NOW.plusSeconds(60)), NOW).steps()).isEmpty();
        assertThat(PodPlan.next(List.of(stopping), ALWAYS, Optional.of(NOW.plusSeconds(1)), NOW).steps())
                .containsExactly(new Stop("m", NOW.plusSeconds(1), "the pod is deleted"));
    }

    @Test
    void a_condemned_container_stops_and_starts_again() {
        ContainerRun main = running("m", Role.MAIN);
        ContainerRun condemned = main.with(((Running) main.state()).condemned("failed liveness probe"));

        assertThat(next(ALWAYS, condemned).steps())
                .containsExactly(new Stop("m", NOW.plusSeconds(30), "failed liveness probe"));
    }

    @Test
    void a_pod_deleted_before_anything_started_is_finished() {
        assertThat(PodPlan.next(List.of(pending("m", Role.MAIN)), ALWAYS, Optional.of(NOW), NOW).finished()).isTrue();
    }

    @Test
    void what_cannot_start_is_tried_again_later_and_later() {
        ContainerRun blocked = pending("m", Role.MAIN).blocked("ErrImagePull", "no", NOW, BASE, MAX);
        assertThat(next(ALWAYS, blocked).lookAgainAt()).contains(NOW.plusSeconds(10));

        ContainerRun again = blocked.blocked("ImagePullBackOff", "no", NOW, BASE, MAX);
        assertThat(next(ALWAYS, again).lookAgainAt()).contains(NOW.plusSeconds(20));
    }
}
