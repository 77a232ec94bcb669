package dev.dormouse.domain.scaling;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What the gateways carry for one model, as far as it is known. Nothing is put to sleep on what is not known. */
public sealed interface Load {

    /** There is no gateway to ask: none is configured, or all are gone for longer than the timeout. */
    record NoGateway() implements Load {}

    /** Some gateway has not answered yet, or not lately. */
    record Unknown(String why) implements Load {}

    /**
     * Every gateway answered lately.
     *
     * @param lastRequestAt when the last request ended; absent if no gateway remembers one
     * @param watched for how long all gateways have been counting
     * @param inFlightByPod requests at replicas, by pod UID; pods without any may be left out
     * @param drainingSeen UIDs of the pods that all gateways know to be draining
     */
    record Known(int inFlight, int queued, @Nullable Instant lastRequestAt, Duration watched,
            Map<String, Integer> inFlightByPod, Set<String> drainingSeen) implements Load {
        public Known {
            inFlightByPod = Map.copyOf(inFlightByPod);
            drainingSeen = Set.copyOf(drainingSeen);
        }
    }

    default int requests() {
        return this instanceof Known known ? known.inFlight() + known.queued() : 0;
    }

    /** Whether requests are held for lack of a replica. */
    default boolean hasWaiting() {
        return this instanceof Known known && known.queued() > 0;
    }

    /** Whether this pod carries nothing, for certain. Without a gateway there is nobody whose request it could be. */
    default boolean idle(String podUid) {
        return switch (this) {
            case NoGateway _ -> true;
            case Unknown _ -> false;
            case Known known -> known.inFlightByPod().getOrDefault(podUid, 0) == 0;
        };
    }

    /** Requests at this pod, as far as is known. */
    default int inFlight(String podUid) {
        return this instanceof Known known ? known.inFlightByPod().getOrDefault(podUid, 0) : 0;
    }

    /** Whether this draining pod may be deleted: every gateway has seen the mark and carries nothing for it. */
    default boolean released(String podUid) {
        return switch (this) {
            case NoGateway _ -> true;
            case Unknown _ -> false;
            case Known known -> known.drainingSeen().contains(podUid) && idle(podUid);
        };
    }
}
