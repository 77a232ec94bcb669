package dev.dormouse.cluster.kubelet;

import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * What a node knows of one container of a pod. Owned by the pod's worker, immutable.
 *
 * @param restarts how often it was started again
 * @param crashes ends in a row without a long run between them; decides the back-off
 * @param everReady whether it has started once, so that containers behind it need not wait again
 */
record ContainerRun(String name, Role role, State state, int restarts, int crashes, boolean everReady,
        Optional<Ended> last) {
    /** A run this long clears the back-off. */
    private static final Duration GOOD_RUN = Duration.ofMinutes(10);

    enum Role {
        /** Runs to completion before anything behind it. */
        INIT,
        /** An init container with {@code restartPolicy: Always}: runs beside everything behind it. */
        SIDECAR, MAIN
    }

    sealed interface State {}

    /** Waits for its turn. */
    record Pending() implements State {}

    /** Cannot be started for now: image or configuration. */
    record Blocked(String reason, String message, Instant retryAt) implements State {}

    /**
     * A live process.
     *
     * @param started the startup probe has succeeded, or there is none
     * @param ready started and the readiness probe has succeeded, or there is none
     * @param condemned why it must be restarted, when a probe said so
     * @param killAt when SIGKILL follows; present once SIGTERM was sent
     */
    record Running(Instant since, long pid, boolean started, boolean ready, Optional<String> condemned,
            Optional<Instant> killAt, boolean killed) implements State {
        Running withProbes(boolean nowStarted, boolean nowReady) {
            return new Running(since, pid, nowStarted, nowReady, condemned, killAt, killed);
        }

        Running condemned(String why) {
            return new Running(since, pid, started, ready, Optional.of(why), killAt, killed);
        }

        Running stopping(Instant deadline) {
            return new Running(since, pid, started, false, condemned, Optional.of(deadline), killed);
        }

        Running dying() {
            return new Running(since, pid, started, false, condemned, killAt, true);
        }
    }

    /**
     * A process that has ended.
     *
     * @param exitCode as the shell counts: 128 + signal when a signal ended it
     * @param restartAt the earliest moment for the next start, if there is to be one
     */
    record Ended(int exitCode, String reason, String message, Instant startedAt, Instant finishedAt, long pid,
            Instant restartAt) implements State {
        boolean succeeded() {
            return exitCode == 0;
        }
    }

    static ContainerRun pending(String name, Role role, int restarts) {
        return new ContainerRun(name, role, new Pending(), restarts, 0, false, Optional.empty());
    }

    ContainerRun with(State next) {
        boolean up = next instanceof Running running && running.started();
        return new ContainerRun(name, role, next, restarts, crashes, everReady || up, last);
    }

    /** A new process; a restart when there was one before. */
    ContainerRun started(Instant now, long pid, boolean started, boolean ready) {
        Optional<Ended> before = state instanceof Ended ended ? Optional.of(ended) : last;
        Running running = new Running(now, pid, started, ready, Optional.empty(), Optional.empty(), false);
        boolean again = state instanceof Ended || state instanceof Blocked && last.isPresent();
        return new ContainerRun(name, role, running, again ? restarts + 1 : restarts,
                state instanceof Ended ? crashes : 0, everReady || started, before);
    }

    /** Could not be started; tried again after {@code base}, then twice that, and so on. */
    ContainerRun blocked(String reason, String message, Instant now, Duration base, Duration max) {
        Optional<Ended> before = state instanceof Ended ended ? Optional.of(ended) : last;
        int inARow = state instanceof Blocked ? crashes + 1 : 1;
        Blocked blocked = new Blocked(reason, message, now.plus(backOff(inARow + 1, base, max)));
        return new ContainerRun(name, role, blocked, restarts, inARow, everReady, before);
    }

    /** Waits for something outside: no failure, so that no back-off grows. */
    ContainerRun waiting(String reason, String message, Instant retryAt) {
        Optional<Ended> before = state instanceof Ended ended ? Optional.of(ended) : last;
        return new ContainerRun(name, role, new Blocked(reason, message, retryAt), restarts, crashes, everReady,
                before);
    }

    /** The process has ended. The first restart is at once, the second after {@code base}, then twice that, and so on. */
    ContainerRun ended(int exitCode, String reason, String message, Instant now, Duration base, Duration max) {
        if (!(state instanceof Running running)) {
            throw new IllegalStateException("container " + name + " ended but was not running: " + state);
        }
        boolean goodRun = Duration.between(running.since(), now).compareTo(GOOD_RUN) >= 0;
        int inARow = goodRun ? 1 : crashes + 1;
        Instant restartAt = now.plus(backOff(inARow, base, max));
        Ended ended = new Ended(exitCode, reason, message, running.since(), now, running.pid(), restartAt);
        return new ContainerRun(name, role, ended, restarts, inARow, everReady, last);
    }

    /** How long to wait before the start that follows the given number of failures in a row. */
    static Duration backOff(int failures, Duration base, Duration max) {
        if (failures <= 1) {
            return Duration.ZERO;
        }
        Duration delay = base;
        for (int i = 2; i < failures && delay.compareTo(max) < 0; i++) {
            delay = delay.multipliedBy(2);
        }
        return delay.compareTo(max) < 0 ? delay : max;
    }

    boolean isRunning() {
        return state instanceof Running;
    }

    boolean isReady() {
        return switch (state) {
            case Running running -> running.ready();
            case Ended ended -> role == Role.INIT && ended.succeeded();
            case Pending _,Blocked _ -> false;
        };
    }
}
