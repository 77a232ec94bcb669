package dev.dormouse.operator.demand;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.scaling.Load;
import dev.dormouse.operator.MovableClock;
import dev.dormouse.sidecar.api.DemandReport;
import dev.dormouse.sidecar.api.DemandReport.ModelDemand;
import dev.dormouse.sidecar.api.DemandReport.PodLoad;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class GatewayScraperTest {
    private static final ModelKey MODEL = new ModelKey("demo", "m");
    private static final Duration GONE_AFTER = Duration.ofSeconds(30);

    private final MovableClock clock = new MovableClock();
    private final Queue<ModelKey> changes = new ConcurrentLinkedQueue<>();
    private final Set<InetSocketAddress> addresses = ConcurrentHashMap.newKeySet();
    private FakeGateway one;
    private FakeGateway two;
    private GatewayScraper scraper;

    @BeforeEach
    void start() throws IOException {
        one = new FakeGateway("127.0.0.1", 0);
        two = new FakeGateway("127.0.0.1", 0);
        addresses.add(one.address());
        addresses.add(two.address());
        scraper = scraper(() -> Set.copyOf(addresses));
    }

    @AfterEach
    void stop() {
        scraper.close();
        one.close();
        two.close();
    }

    @Test
    void allGatewaysAreAddedUp() {
        one.report(report(List.of(demand(2, 1, 0, "a", 2)), List.of("x", "y"), 3_600_000));
        two.report(report(List.of(demand(1, 0, 0, "a", 1)), List.of("y"), 60_000));

        Load.Known load = awaitKnown(3);

        assertThat(load.inFlight()).isEqualTo(3);
        assertThat(load.queued()).isEqualTo(1);
        assertThat(load.inFlightByPod()).isEqualTo(Map.of("a", 3));
        assertThat(load.drainingSeen()).as("seen by all").containsExactly("y");
        assertThat(load.watched()).as("the younger gateway counts")
                .isBetween(Duration.ofSeconds(60),
                        Duration.ofSeconds(70));
        assertThat(changes).contains(MODEL);
    }

    @Test
    void nothingIsReadWhileEveryModelSleeps() throws IOException {
        try (FakeGateway elsewhere = new FakeGateway("127.0.0.1", 0);
                GatewayScraper busy = scraper(() -> Set.of(elsewhere.address()))) {
            busy.setAwake(MODEL, true);
            scraper.setAwake(MODEL, true);
            await().until(() -> one.scrapes() > 1);

            scraper.setAwake(MODEL, false);

            awaitRounds(elsewhere);
            int before = one.scrapes();
            awaitRounds(elsewhere);
            assertThat(one.scrapes()).isEqualTo(before);
        }
    }

    @Test
    void aGatewayThatFailsMakesTheLoadUnknownUntilItIsGone() {
        awaitKnown(0);

        two.report(null);
        clock.advance(Duration.ofSeconds(5));
        await().until(() -> scraper.load(MODEL) instanceof Load.Unknown);

        clock.advance(GONE_AFTER);
        await().until(() -> scraper.load(MODEL) instanceof Load.Known);
    }

    @Test
    void aGatewayWhoseNameIsGoneStillCountsWhileItAnswers() {
        two.report(report(List.of(demand(4, 0, 0, "a", 4)), List.of(), 60_000));
        awaitKnown(4);

        addresses.remove(two.address());

        int before = two.scrapes();
        await().until(() -> two.scrapes() > before + 1);
        assertThat(scraper.load(MODEL).requests()).isEqualTo(4);
    }

    @Test
    void withoutAnyGatewayLeftNobodyHoldsAnythingUp() {
        awaitKnown(0);
        one.report(null);
        two.report(null);
        clock.advance(Duration.ofSeconds(5));
        await().until(() -> scraper.load(MODEL) instanceof Load.Unknown);

        clock.advance(GONE_AFTER);

        await().until(() -> scraper.load(MODEL) instanceof Load.NoGateway);
    }

    @Test
    void aNameThatMeansNothingIsUnknownForAWhile() {
        GatewayScraper lost = scraper(() -> {
            throw new UnknownHostException("dormouse-gateway");
        });
        try (lost) {
            lost.setAwake(MODEL, true);
            assertThat(lost.load(MODEL)).isInstanceOf(Load.Unknown.class);

            await().until(() -> {
                clock.advance(GONE_AFTER);
                return lost.load(MODEL) instanceof Load.NoGateway;
            });
        }
    }

    @Test
    void withoutAConfiguredGatewayThereIsNone() {
        try (GatewayScraper none = new GatewayScraper(Optional.empty(), Duration.ofMillis(20), GONE_AFTER, clock,
                changes::add)) {
            none.start();
            assertThat(none.load(MODEL)).isInstanceOf(Load.NoGateway.class);
        }
    }

    private static void awaitRounds(FakeGateway gateway) {
        int before = gateway.scrapes();
        await().until(() -> gateway.scrapes() > before + 5);
    }

    private GatewayScraper scraper(GatewayAddresses resolve) {
        GatewayScraper fresh = new GatewayScraper(Optional.of(resolve), Duration.ofMillis(20), GONE_AFTER, clock,
                changes::add);
        fresh.start();
        return fresh;
    }

    private Load.Known awaitKnown(int inFlight) {
        scraper.setAwake(MODEL, true);
        await().until(() -> scraper.load(MODEL) instanceof Load.Known known && known.inFlight() == inFlight);
        return (Load.Known) scraper.load(MODEL);
    }

    private static DemandReport report(List<ModelDemand> models, List<String> drainingSeen, long uptimeMillis) {
        return new DemandReport("gw", "1", uptimeMillis, models, drainingSeen);
    }

    private static ModelDemand demand(int inFlight, int queued, long idleMillis, String pod, int podLoad) {
        return new ModelDemand("demo/m", inFlight, queued, 1.0, 0, idleMillis, List.of(new PodLoad(pod, podLoad)));
    }
}
