package dev.dormouse.cluster.kubelet;

import dev.dormouse.cluster.kubelet.ContainerRun.Blocked;
import dev.dormouse.cluster.kubelet.ContainerRun.Ended;
import dev.dormouse.cluster.kubelet.ContainerRun.Pending;
import dev.dormouse.cluster.kubelet.ContainerRun.Role;
import dev.dormouse.cluster.kubelet.ContainerRun.Running;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What to do next for one pod. Pure: the same containers at the same instant give the same plan, and a plan without
 * steps means that nothing changes before {@code lookAgainAt} or the next event.
 *
 * @param lookAgainAt when time alone makes the next plan differ
 * @param finished no process lives and none will be started
 */
record PodPlan(List<Step> steps, Optional<Instant> lookAgainAt, boolean finished) {
    sealed interface Step {
        String container();
    }

    record Start(String container) implements Step {}

    /** SIGTERM now, SIGKILL at {@code killAt}. */
    record Stop(String container, Instant killAt, String why) implements Step {}

    /** SIGKILL: the grace is over. */
    record Kill(String container) implements Step {}

    enum RestartPolicy {
        ALWAYS, ON_FAILURE, NEVER;

        boolean restarts(Ended ended) {
            return this == ALWAYS || this == ON_FAILURE && !ended.succeeded();
        }
    }

    /** What the pod asks for, as far as starting and stopping goes. */
    record Terms(RestartPolicy restartPolicy, Duration grace) {}

    /** Sidecars that outlive the pod's grace get at least this long after their SIGTERM. */
    private static final Duration SIDECAR_GRACE = Duration.ofSeconds(2);

    /**
     * @param runs init containers and sidecars in order, then the main containers
     * @param stopBy when the pod's grace ends; present once the pod is being deleted
     */
    static PodPlan next(List<ContainerRun> runs, Terms terms, Optional<Instant> stopBy, Instant now) {
        Draft draft = new Draft(terms, now);
        if (stopBy.isPresent()) {
            draft.stopAll(runs, stopBy.get());
        } else {
            draft.advance(runs);
        }
        runs.forEach(draft::kill);
        boolean finished = draft.steps.isEmpty() && draft.over && runs.stream().noneMatch(ContainerRun::isRunning);
        return new PodPlan(List.copyOf(draft.steps), finished ? Optional.empty() : draft.lookAgainAt, finished);
    }

    /** Whether every init container has completed and every sidecar has started once. */
    static boolean initialized(List<ContainerRun> runs) {
        return runs.stream().allMatch(run -> switch (run.role()) {
            case INIT -> run.state() instanceof Ended ended && ended.succeeded();
            case SIDECAR -> run.everReady();
            case MAIN -> true;
        });
    }

    /** Whether a container that has ended so is started again as long as its pod goes on. */
    static boolean restarts(Role role, Ended ended, RestartPolicy policy) {
        return switch (role) {
            case SIDECAR -> true;
            case INIT -> !ended.succeeded() && policy != RestartPolicy.NEVER;
            case MAIN -> policy.restarts(ended);
        };
    }

    /** A plan being made. */
    private static final class Draft {
        private final Terms terms;
        private final Instant now;
        private final List<Step> steps = new ArrayList<>();
        private Optional<Instant> lookAgainAt = Optional.empty();
        private boolean over;

        Draft(Terms terms, Instant now) {
            this.terms = terms;
            this.now = now;
        }

        /** Everything that can run now runs; ends sidecars when there is nothing left for them to serve. */
        void advance(List<ContainerRun> runs) {
            for (ContainerRun run : runs) {
                if (run.state() instanceof Running running && running.condemned().isPresent()) {
                    stop(run, now.plus(terms.grace()), running.condemned().get());
                }
            }
            if (initFailed(runs) || mainsDone(runs)) {
                over = true;
                stopSidecars(runs, now.plus(terms.grace()), "the pod's work is done");
                return;
            }
            for (ContainerRun run : runs) {
                startWhenDue(run);
                boolean blocksTheRest = switch (run.role()) {
                    case INIT -> !(run.state() instanceof Ended ended && ended.succeeded());
                    case SIDECAR -> !run.everReady();
                    case MAIN -> false;
                };
                if (blocksTheRest) {
                    return;
                }
            }
        }

        private boolean initFailed(List<ContainerRun> runs) {
            return terms.restartPolicy() == RestartPolicy.NEVER && runs.stream()
                    .anyMatch(
                            r -> r.role() == Role.INIT && r.state() instanceof Ended ended && !ended.succeeded());
        }

        private boolean mainsDone(List<ContainerRun> runs) {
            return runs.stream()
                    .filter(r -> r.role() == Role.MAIN)
                    .allMatch(r -> r.state() instanceof Ended ended && !terms.restartPolicy().restarts(ended));
        }

        private void startWhenDue(ContainerRun run) {
            switch (run.state()) {
                case Pending _ -> steps.add(new Start(run.name()));
                case Blocked blocked -> startAt(run, blocked.retryAt());
                case Ended ended when restarts(run, ended) -> startAt(run, ended.restartAt());
                case Ended _,Running _ -> {
                }
            }
        }

        private boolean restarts(ContainerRun run, Ended ended) {
            return PodPlan.restarts(run.role(), ended, terms.restartPolicy());
        }

        private void startAt(ContainerRun run, Instant due) {
            if (due.isAfter(now)) {
                lookAgain(due);
            } else {
                steps.add(new Start(run.name()));
            }
        }

        /** Main and init containers first; sidecars after them. */
        void stopAll(List<ContainerRun> runs, Instant stopBy) {
            over = true;
            List<ContainerRun> first = runs.stream().filter(r -> r.role() != Role.SIDECAR && r.isRunning()).toList();
            first.forEach(run -> stop(run, stopBy, "the pod is deleted"));
            if (first.isEmpty()) {
                Instant least = now.plus(SIDECAR_GRACE);
                stopSidecars(runs, stopBy.isBefore(least) ? least : stopBy, "the pod is deleted");
            }
        }

        /** In reverse order of their start, one after the other: a sidecar may need those before it to finish. */
        private void stopSidecars(List<ContainerRun> runs, Instant killAt, String why) {
            for (ContainerRun run : runs.reversed()) {
                if (run.role() == Role.SIDECAR && run.isRunning()) {
                    stop(run, killAt, why);
                    return;
                }
            }
        }

        /** Does nothing for a container that is being stopped, unless the grace got shorter. */
        private void stop(ContainerRun run, Instant killAt, String why) {
            if (run.state() instanceof Running running && !running.killed()
                    && running.killAt().map(killAt::isBefore).orElse(true)) {
                steps.add(new Stop(run.name(), killAt, why));
            }
        }

        void kill(ContainerRun run) {
            if (run.state() instanceof Running running && running.killAt().isPresent() && !running.killed()) {
                Instant killAt = running.killAt().get();
                if (killAt.isAfter(now)) {
                    lookAgain(killAt);
                } else {
                    steps.add(new Kill(run.name()));
                }
            }
        }

        private void lookAgain(Instant at) {
            lookAgainAt = lookAgainAt.filter(at::isAfter).or(() -> Optional.of(at));
        }
    }
}
