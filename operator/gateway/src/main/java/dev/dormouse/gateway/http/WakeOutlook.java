package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.gateway.route.ReplicaHealth;
import dev.dormouse.gateway.route.RouteTable;
import dev.dormouse.gateway.wake.WakeTimes;
import dev.dormouse.gateway.trace.WakeSteps;
import dev.dormouse.sidecar.api.PhaseTiming;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.stream.Collectors;

/**
 * What can be said of a wake: how far it is, how long it will take, what is in its way. Joins what sidecars, the operator
 * and past wakes tell; decides nothing. Owned by the event loop.
 */
final class WakeOutlook {
    private final RouteTable routes;
    private final ReplicaHealth health;
    private final WakeTimes wakes;
    private final Clock clock;

    WakeOutlook(RouteTable routes, ReplicaHealth health, WakeTimes wakes, Clock clock) {
        this.routes = routes;
        this.health = health;
        this.wakes = wakes;
        this.clock = clock;
    }

    /** By the sidecar that is the furthest, or by what the operator says. */
    Progress progress(ModelKey model) {
        Optional<SidecarStatus> furthest = routes.pods(model)
                .stream()
                .filter(health::starting)
                .flatMap(pod -> health.said(pod.uid()).stream())
                .max(Comparator.comparing(SidecarStatus::phase).thenComparing(SidecarStatus::percent));
        if (furthest.isPresent()) {
            SidecarStatus said = furthest.get();
            Optional<Duration> eta = said.etaMillis() < 0
                    ? remaining(model)
                    : Optional.of(Duration.ofMillis(said.etaMillis()));
            return new Progress(said.phase().name(), said.rung().name(), OptionalInt.of((int) said.percent()), eta);
        }
        Optional<ModelRoute.State> state = routes.model(model).map(ModelRoute::state);
        Optional<ModelRoute.Warmup> warmup = state.flatMap(ModelRoute.State::warmup)
                .filter(told -> !told.phase().equals("Ready"));
        return new Progress(warmup.map(ModelRoute.Warmup::phase).orElse("Waking"),
                state.flatMap(ModelRoute.State::lastWake).map(ModelRoute.LastWake::rung).orElse("Unknown"),
                warmup.map(ModelRoute.Warmup::percent).orElse(OptionalInt.empty()), remaining(model));
    }

    /** How long it will still take, learned from past wakes. */
    Optional<Duration> remaining(ModelKey model) {
        return wakes.remaining(model, clock.instant(),
                routes.model(model).flatMap(route -> route.state().lastWake()).map(ModelRoute.LastWake::took));
    }

    /** What keeps the model from being Ready. */
    String why(ModelKey model) {
        return routes.model(model)
                .flatMap(route -> route.state().problem())
                .map(problem -> problem.reason() + ": " + problem.message())
                .orElse("It is still waking; kubectl describe im " + model.name() + " -n " + model.namespace()
                        + " tells how far it is.");
    }

    /** How the wake of a pod went, if its sidecar has told of its end. */
    Optional<WakeSteps> steps(PodRoute pod) {
        return health.said(pod.uid()).filter(said -> said.readyAtEpochMicros() > 0).map(said -> {
            Map<String, Duration> phases = said.phases()
                    .stream()
                    .filter(phase -> phase.state() == PhaseTiming.State.Done)
                    .collect(Collectors.toMap(PhaseTiming::name,
                            phase -> Duration.of(phase.micros(), ChronoUnit.MICROS), Duration::plus));
            return new WakeSteps(
                    routes.model(pod.model())
                            .flatMap(model -> model.state().activation())
                            .map(ModelRoute.Activation::startedAt),
                    Instant.EPOCH.plus(said.startedAtEpochMicros(), ChronoUnit.MICROS),
                    Instant.EPOCH.plus(said.readyAtEpochMicros(), ChronoUnit.MICROS), said.rung().name(), phases);
        });
    }

    /** The rung from which the pod's wake started, as far as anybody said. */
    Optional<String> rung(PodRoute pod) {
        return health.said(pod.uid())
                .map(status -> status.rung().name())
                .or(() -> routes.model(pod.model())
                        .flatMap(model -> model.state().lastWake())
                        .map(ModelRoute.LastWake::rung));
    }
}
