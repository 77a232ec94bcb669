package dev.dormouse.sidecar.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What one gateway carries, as its {@code GET /internal/demand} answers the operator.
 *
 * @param gateway stable name of the gateway process
 * @param instance random id of the process; a new one means its counters began again
 * @param uptimeMillis how long the process has watched the cluster with synced caches; the operator trusts idleness
 *        only after a full window
 * @param models only models that carry something now, or did within the last hour
 * @param drainingSeen pod UIDs whose draining mark this gateway has seen: it sends them nothing new
 */
public record DemandReport(String gateway, String instance, long uptimeMillis, List<ModelDemand> models,
        List<String> drainingSeen) {

    public DemandReport {
        models = List.copyOf(models);
        drainingSeen = List.copyOf(drainingSeen);
    }

    /**
     * @param model {@code namespace/name}
     * @param inFlight requests now at a replica
     * @param queued requests held
     * @param ratePerSecond arrivals per second over the last 60 s
     * @param oldestWaitMillis age of the oldest held request; 0 when none is held
     * @param idleMillis time since the last request ended; 0 while any is in flight or held
     * @param pods requests in flight per pod; pods without any are left out
     * @param pattern how the model is used, as far as this gateway has seen; absent while that says too little
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record ModelDemand(String model, int inFlight, int queued, double ratePerSecond, long oldestWaitMillis,
            long idleMillis, List<PodLoad> pods, @Nullable String pattern) {
        public ModelDemand {
            pods = List.copyOf(pods);
        }

        /** One of whose use too little is known. */
        public ModelDemand(String model, int inFlight, int queued, double ratePerSecond, long oldestWaitMillis,
                long idleMillis, List<PodLoad> pods) {
            this(model, inFlight, queued, ratePerSecond, oldestWaitMillis, idleMillis, pods, null);
        }
    }

    public record PodLoad(String podUid, int inFlight) {}
}
