package dev.dormouse.operator.demand;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.scaling.Load;
import dev.dormouse.sidecar.api.DemandReport;
import dev.dormouse.sidecar.api.DemandReport.ModelDemand;
import dev.dormouse.sidecar.api.DemandReport.PodLoad;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** The reports of all gateways, added up for one model. */
final class LoadView {
    private LoadView() {}

    /**
     * @param fresh a report older than this says nothing any more
     * @param goneAfter a gateway that fails for so long no longer counts
     */
    static Load of(ModelKey model, Collection<GatewayState> gateways, Duration fresh, Duration goneAfter, Instant now) {
        List<GatewayState> counted = gateways.stream().filter(g -> !g.gone(goneAfter, now)).toList();
        if (counted.isEmpty()) {
            return new Load.NoGateway();
        }
        Sum sum = new Sum(model.toString(), now);
        for (GatewayState gateway : counted) {
            if (gateway.report() == null || gateway.reportedAt() == null
                    || gateway.reportedAt().plus(fresh).isBefore(now)) {
                return new Load.Unknown("a gateway has not answered lately");
            }
            sum.add(gateway.report(), gateway.reportedAt());
        }
        return sum.load();
    }

    private static final class Sum {
        private final String model;
        private final Instant now;
        private final Map<String, Integer> byPod = new HashMap<>();
        private @Nullable Set<String> drainingSeen;
        private @Nullable Instant lastRequestAt;
        private @Nullable Duration watched;
        private int inFlight;
        private int queued;

        Sum(String model, Instant now) {
            this.model = model;
            this.now = now;
        }

        void add(DemandReport report, Instant at) {
            Duration age = Duration.between(at.minusMillis(report.uptimeMillis()), now);
            watched = watched == null || age.compareTo(watched) < 0 ? age : watched;
            if (drainingSeen == null) {
                drainingSeen = new HashSet<>(report.drainingSeen());
            } else {
                drainingSeen.retainAll(report.drainingSeen());
            }
            report.models().stream().filter(m -> m.model().equals(model)).forEach(m -> add(m, at));
        }

        private void add(ModelDemand demand, Instant at) {
            inFlight += demand.inFlight();
            queued += demand.queued();
            Instant ended = at.minusMillis(demand.idleMillis());
            lastRequestAt = lastRequestAt == null || ended.isAfter(lastRequestAt) ? ended : lastRequestAt;
            for (PodLoad pod : demand.pods()) {
                byPod.merge(pod.podUid(), pod.inFlight(), Integer::sum);
            }
        }

        Load load() {
            return new Load.Known(inFlight, queued, lastRequestAt, watched == null ? Duration.ZERO : watched, byPod,
                    drainingSeen == null ? Set.of() : drainingSeen);
        }
    }
}
