package dev.dormouse.gateway.load;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.HoldState;
import dev.dormouse.domain.pattern.ServingPattern;
import dev.dormouse.sidecar.api.DemandReport;
import dev.dormouse.sidecar.api.DemandReport.ModelDemand;
import dev.dormouse.sidecar.api.DemandReport.PodLoad;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Remembers per model when requests came and ended, and joins that with what is carried now to a {@link DemandReport}.
 * Not safe for threads: the gateway's event loop owns it.
 */
public final class LoadLog {
    private static final Duration MEMORY = Duration.ofHours(1);

    private static final class Model {
        private final ArrivalRate rate = new ArrivalRate();
        private Instant lastEvent;

        Model(Instant now) {
            this.lastEvent = now;
        }
    }

    private final String gateway;
    private final String instance;
    private final Map<ModelKey, Model> models = new HashMap<>();
    private @Nullable Instant syncedAt;

    /**
     * @param gateway stable name of this gateway
     * @param instance random id of this process
     */
    public LoadLog(String gateway, String instance) {
        this.gateway = gateway;
        this.instance = instance;
    }

    /** The gateway knows the whole cluster from now on. */
    public void synced(Instant now) {
        syncedAt = now;
    }

    public Optional<Instant> syncedAt() {
        return Optional.ofNullable(syncedAt);
    }

    /** A request for a known model came, whatever becomes of it. */
    public void arrived(ModelKey key, Instant now) {
        Model model = models.computeIfAbsent(key, first -> new Model(now));
        model.rate.arrived(now);
        model.lastEvent = now;
    }

    /** A request ended, however. */
    public void ended(ModelKey key, Instant now) {
        models.computeIfAbsent(key, first -> new Model(now)).lastEvent = now;
    }

    /** Arrivals per second over the last minute. */
    public double perSecond(ModelKey key, Instant now) {
        Model model = models.get(key);
        return model == null ? 0 : model.rate.perSecond(now);
    }

    /**
     * @param draining UIDs of the pods whose draining mark has been acted on
     * @param pattern how a model is used
     */
    public DemandReport report(HoldState carried, List<String> draining,
            Function<ModelKey, ServingPattern> pattern, Instant now) {
        models.entrySet().removeIf(entry -> forgotten(entry.getKey(), entry.getValue(), carried, now));
        List<ModelDemand> demands = models.entrySet()
                .stream()
                .map(entry -> demand(entry.getKey(), entry.getValue(), carried, pattern, now))
                .toList();
        long uptime = syncedAt == null ? 0 : millis(syncedAt, now);
        return new DemandReport(gateway, instance, uptime, demands, draining);
    }

    private static boolean forgotten(ModelKey key, Model model, HoldState carried, Instant now) {
        return carried.serving(key) == 0 && carried.waiting(key) == 0 && model.lastEvent.plus(MEMORY).isBefore(now);
    }

    private static ModelDemand demand(ModelKey key, Model model, HoldState carried,
            Function<ModelKey, ServingPattern> pattern, Instant now) {
        int inFlight = carried.serving(key);
        int queued = carried.waiting(key);
        long oldest = carried.oldestWaiting(key).map(since -> millis(since, now)).orElse(0L);
        long idle = inFlight + queued > 0 ? 0 : millis(model.lastEvent, now);
        List<PodLoad> pods = carried.servingByPod(key)
                .entrySet()
                .stream()
                .map(pod -> new PodLoad(pod.getKey(), pod.getValue()))
                .toList();
        ServingPattern found = pattern.apply(key);
        return new ModelDemand(key.toString(), inFlight, queued, model.rate.perSecond(now), oldest, idle, pods,
                found == ServingPattern.Unknown ? null : found.name());
    }

    private static long millis(Instant from, Instant to) {
        return Math.max(0, Duration.between(from, to).toMillis());
    }
}
