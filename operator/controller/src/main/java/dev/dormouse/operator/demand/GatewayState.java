package dev.dormouse.operator.demand;

import dev.dormouse.sidecar.api.DemandReport;
import java.time.Duration;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * What is known of one gateway.
 *
 * @param report the last one; absent before the first
 * @param reportedAt when it came
 * @param failingSince when it first failed to answer after its last answer; absent while it answers
 */
record GatewayState(@Nullable DemandReport report, @Nullable Instant reportedAt, @Nullable Instant failingSince) {

    static final GatewayState NEW = new GatewayState(null, null, null);

    GatewayState answered(DemandReport fresh, Instant now) {
        return new GatewayState(fresh, now, null);
    }

    GatewayState failed(Instant now) {
        return failingSince == null ? new GatewayState(report, reportedAt, now) : this;
    }

    boolean gone(Duration timeout, Instant now) {
        return failingSince != null && !failingSince.plus(timeout).isAfter(now);
    }
}
