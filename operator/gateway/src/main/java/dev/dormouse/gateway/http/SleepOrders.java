package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.RouteTable;
import dev.dormouse.gateway.wake.SleepWriter;
import io.vertx.core.Future;
import io.vertx.core.Promise;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.stream.Collectors;

/**
 * Orders to sleep (L20, BL8, BL32): writes them for the operator, ends what still runs on this gateway when the grace is
 * over, also by the order of another gateway, and tells whoever asked when the models sleep. Owned by the event loop.
 */
final class SleepOrders {

    /** @param left models of the order that do not sleep yet: a new request woke them, or the time was too short */
    record Outcome(List<ModelKey> models, List<ModelKey> left) {}

    private record Waiting(List<ModelKey> models, Instant until, Promise<Outcome> asleep) {}

    private final RouteTable routes;
    private final OpenRequests open;
    private final SleepWriter writer;
    private final Clock clock;
    private final Executor loop;
    private final Map<ModelKey, ModelRoute.SleepOrder> underWay = new HashMap<>();
    private final List<Waiting> waiting = new ArrayList<>();

    SleepOrders(RouteTable routes, OpenRequests open, SleepWriter writer, Clock clock, Executor loop) {
        this.routes = routes;
        this.open = open;
        this.writer = writer;
        this.clock = clock;
        this.loop = loop;
    }

    /** Completes when none of the models has a replica, or when the time is over; fails when the cluster refuses. */
    Future<Outcome> give(List<ModelKey> models, Duration grace, Duration timeout) {
        Instant now = clock.instant();
        Promise<Outcome> asleep = Promise.promise();
        List<Future<?>> written = models.stream().<Future<?>>map(model -> write(model, now, grace)).toList();
        Future.all(written)
                .onSuccess(all -> waiting.add(new Waiting(List.copyOf(models), now.plus(timeout), asleep)))
                .onFailure(asleep::tryFail);
        return asleep.future();
    }

    private Future<Void> write(ModelKey model, Instant now, Duration grace) {
        Promise<Void> written = Promise.promise();
        writer.write(model, now, grace).whenComplete((done, failure) -> loop.execute(() -> {
            if (failure == null) {
                written.complete();
            } else {
                written.fail(failure);
            }
        }));
        return written.future();
    }

    /** A model changed; answers whether that says an order nobody here has heard of. */
    boolean seen(Optional<ModelRoute> before, ModelRoute now) {
        Optional<ModelRoute.SleepOrder> order = now.state().sleepOrder();
        boolean unheard = order.isPresent() && before.isPresent() && !before.get().state().sleepOrder().equals(order);
        if (unheard) {
            underWay.put(now.key(), order.get());
        }
        return unheard;
    }

    /** To be called every few tens of milliseconds. */
    void tick(Instant now) {
        underWay.entrySet().removeIf(entry -> {
            boolean over = !now.isBefore(entry.getValue().at().plus(entry.getValue().grace()));
            if (over) {
                endThoseBefore(entry.getValue().at(), entry.getKey());
            }
            return over;
        });
        waiting.removeIf(each -> isDone(each, now));
    }

    /** What came after the order is of the next time awake. */
    private void endThoseBefore(Instant order, ModelKey model) {
        open.of(model)
                .stream()
                .filter(each -> !each.ticket().trace().arrivedAt().isAfter(order))
                .forEach(each -> each.ticket().cancelled());
    }

    private boolean isDone(Waiting each, Instant now) {
        List<ModelKey> left = each.models.stream()
                .filter(model -> !routes.pods(model).isEmpty())
                .collect(Collectors.toList());
        if (!left.isEmpty() && now.isBefore(each.until)) {
            return false;
        }
        each.asleep.tryComplete(new Outcome(each.models, left));
        return true;
    }
}
