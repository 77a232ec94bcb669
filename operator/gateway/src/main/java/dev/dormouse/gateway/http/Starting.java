package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.HeldRequest;
import dev.dormouse.domain.hold.HoldState;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.gateway.route.ReplicaHealth;
import dev.dormouse.gateway.route.RouteTable;
import dev.dormouse.gateway.wake.WakeTimes;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiConsumer;

/**
 * Models for which somebody waits: follows the sidecars of their starting pods, and tells the waiters how far the wake
 * is. Owned by the event loop.
 */
final class Starting {
    /** Waiters are told so often how far the wake is. */
    private static final Duration NEWS = Duration.ofSeconds(1);

    private final HoldState core;
    private final RouteTable routes;
    private final ReplicaHealth health;
    private final SidecarWatches sidecars;
    private final WakeTimes wakes;
    private final WakeOutlook outlook;
    private final OpenRequests open;
    private final BiConsumer<PodRoute, SidecarStatus> said;
    private final Set<ModelKey> followed = new HashSet<>();
    private Instant nextNews = Instant.MIN;

    /** @param said is told what the sidecar of a starting pod reports */
    Starting(HoldState core, RouteTable routes, ReplicaHealth health, SidecarWatches sidecars, WakeTimes wakes,
            WakeOutlook outlook, OpenRequests open, BiConsumer<PodRoute, SidecarStatus> said) {
        this.core = core;
        this.routes = routes;
        this.health = health;
        this.sidecars = sidecars;
        this.wakes = wakes;
        this.outlook = outlook;
        this.open = open;
        this.said = said;
    }

    /** Something about the model has changed: its pods, or who waits for it. */
    void follow(ModelKey model) {
        boolean anybodyWaits = core.waiting(model) > 0;
        for (PodRoute pod : routes.pods(model)) {
            if (anybodyWaits && health.starting(pod)) {
                sidecars.follow(pod, status -> said.accept(pod, status));
            } else {
                sidecars.forget(pod.uid());
            }
        }
        if (anybodyWaits) {
            followed.add(model);
        } else if (followed.remove(model) && !core.hasReplica(model)) {
            wakes.abandoned(model);
        }
    }

    void forget(String podUid) {
        sidecars.forget(podUid);
    }

    /** To be called every few tens of milliseconds. */
    void tick(Instant now) {
        for (ModelKey model : List.copyOf(followed)) {
            follow(model);
        }
        if (!now.isBefore(nextNews)) {
            nextNews = now.plus(NEWS);
            List.copyOf(followed).forEach(this::tellWaiters);
        }
    }

    /** L33, L59. */
    private void tellWaiters(ModelKey model) {
        Progress progress = outlook.progress(model);
        int position = 0;
        for (HeldRequest held : core.queued(model)) {
            position++;
            int place = position;
            open.find(held.id()).ifPresent(request -> request.ticket().waiting(progress, place));
        }
    }
}
