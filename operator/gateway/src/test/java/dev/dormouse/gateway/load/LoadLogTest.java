package dev.dormouse.gateway.load;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.HeldRequest;
import dev.dormouse.domain.hold.HoldCore;
import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.domain.hold.ModelLimits;
import dev.dormouse.domain.pattern.ServingPattern;
import dev.dormouse.sidecar.api.DemandReport;
import dev.dormouse.sidecar.api.DemandReport.ModelDemand;
import dev.dormouse.sidecar.api.DemandReport.PodLoad;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class LoadLogTest {
    private static final ModelKey MODEL = new ModelKey("default", "a");
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");

    private final LoadLog log = new LoadLog("gw", "i");
    private final HoldCore core = new HoldCore(HoldLimits.ofRequests(10, 10));

    private void arrive(long id, Instant at) {
        core.arrived(new HeldRequest(id, MODEL, 0, at, at.plusSeconds(100), 0, true, 0));
        log.arrived(MODEL, at);
    }

    /** BL7: what carries a request is not idle, however long ago the last one came. */
    @Test
    void reportsWhatIsCarried() {
        core.model(MODEL, ModelLimits.ofConcurrency(1));
        core.replicas(MODEL, List.of("p"));
        log.synced(T0);
        arrive(1, T0.plusSeconds(1));
        core.model(MODEL, ModelLimits.ofConcurrency(5));
        core.replicas(MODEL, List.of());
        arrive(2, T0.plusSeconds(2));
        arrive(3, T0.plusSeconds(3));

        DemandReport report = log.report(core, List.of("old"), model -> ServingPattern.StreamingInference,
                T0.plusSeconds(5));

        assertThat(report).isEqualTo(new DemandReport("gw", "i", 5_000,
                List.of(new ModelDemand("default/a", 1, 2, 3 / 60.0, 3_000, 0, List.of(new PodLoad("p", 1)),
                        "StreamingInference")),
                List.of("old")));
    }

    /** BL7. */
    @Test
    void idlenessCountsFromTheLastEnd() {
        core.model(MODEL, ModelLimits.ofConcurrency(1));
        arrive(1, T0);
        core.cancelled(1);
        log.ended(MODEL, T0.plusSeconds(10));

        assertThat(log.report(core, List.of(), model -> ServingPattern.Unknown, T0.plusSeconds(70)).models())
                .containsExactly(new ModelDemand("default/a", 0, 0, 0, 0, 60_000, List.of()));
        assertThat(log
                .report(core, List.of(), model -> ServingPattern.Unknown, T0.plusSeconds(10).plus(Duration.ofHours(2)))
                .models()).isEmpty();
    }

    @Test
    void theRateCoversOneMinute() {
        ArrivalRate rate = new ArrivalRate();
        for (int second = 0; second < 120; second++) {
            rate.arrived(T0.plusSeconds(second));
            rate.arrived(T0.plusSeconds(second));
        }

        assertThat(rate.perSecond(T0.plusSeconds(119))).isEqualTo(2.0);
        assertThat(rate.perSecond(T0.plusSeconds(149))).isEqualTo(1.0);
        assertThat(rate.perSecond(T0.plusSeconds(500))).isZero();
    }

    @Test
    void beforeTheClusterIsKnownTheUptimeIsZero() {
        assertThat(log.report(core, List.of(), model -> ServingPattern.Unknown, T0).uptimeMillis()).isZero();
    }
}
