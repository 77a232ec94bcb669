package dev.dormouse.operator.demand;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.scaling.Load;
import dev.dormouse.sidecar.api.DemandReport;
import dev.dormouse.operator.log.LogKeys;
import dev.dormouse.sidecar.api.DemandReport.ModelDemand;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads {@code /internal/demand} of every gateway, while any model is awake or draining, and says whose load changed. A
 * gateway whose name is gone stays in the list until it has been silent for the timeout: one that is shutting down may
 * still carry requests.
 *
 * <p>The gateways' states are written by the scraping thread only; everyone may read.
 */
public final class GatewayScraper implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(GatewayScraper.class);
    private static final Duration TIMEOUT = Duration.ofSeconds(1);

    private final Optional<GatewayAddresses> addresses;
    private final Duration interval;
    private final Duration fresh;
    private final Duration goneAfter;
    private final Clock clock;
    private final Consumer<ModelKey> changed;
    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(TIMEOUT)
            .build();
    private final ObjectMapper json = JsonMapper.builder()
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();
    private final ScheduledExecutorService timer = Executors
            .newSingleThreadScheduledExecutor(Thread.ofPlatform().daemon().name("gateway-scraper").factory());
    private final Set<ModelKey> awake = ConcurrentHashMap.newKeySet();
    private final Map<InetSocketAddress, GatewayState> gateways = new ConcurrentHashMap<>();
    private final Map<ModelKey, Signature> lastSeen = new ConcurrentHashMap<>();
    private volatile @Nullable Instant unresolvedSince;
    private volatile boolean resolvedOnce;
    private @Nullable Future<?> ticking;

    /**
     * @param addresses absent when there is no gateway to ask
     * @param goneAfter see DORMOUSE_DRAIN_TIMEOUT_SECONDS
     * @param changed called on the scraping thread
     */
    public GatewayScraper(Optional<GatewayAddresses> addresses, Duration interval, Duration goneAfter, Clock clock,
            Consumer<ModelKey> changed) {
        this.addresses = addresses;
        this.interval = interval;
        this.fresh = TIMEOUT.plus(interval.multipliedBy(3));
        this.goneAfter = goneAfter;
        this.clock = clock;
        this.changed = changed;
    }

    public void start() {
        if (addresses.isPresent()) {
            ticking = timer.scheduleWithFixedDelay(this::scrapeIfNeeded, 0, interval.toMillis(), TimeUnit.MILLISECONDS);
        }
    }

    /** Whether the load of this model matters at present. */
    public void setAwake(ModelKey model, boolean matters) {
        if (matters) {
            awake.add(model);
        } else {
            awake.remove(model);
            lastSeen.remove(model);
        }
    }

    public Load load(ModelKey model) {
        Instant now = clock.instant();
        if (addresses.isEmpty()) {
            return new Load.NoGateway();
        }
        if (gateways.isEmpty() && !(resolvedOnce || unresolvedFor(goneAfter, now))) {
            return new Load.Unknown("no gateway has been found yet");
        }
        return LoadView.of(model, gateways.values(), fresh, goneAfter, now);
    }

    /** How the model is used, as the gateway sees it that is given most of its requests; absent while none can say. */
    public Optional<String> pattern(ModelKey model) {
        return gateways.values()
                .stream()
                .flatMap(gateway -> Stream.ofNullable(gateway.report()))
                .flatMap(report -> report.models().stream())
                .filter(demand -> demand.model().equals(model.toString()) && demand.pattern() != null)
                .max(Comparator.comparingDouble(ModelDemand::ratePerSecond))
                .map(ModelDemand::pattern);
    }

    @Override
    public void close() {
        if (ticking != null) {
            ticking.cancel(true);
        }
        timer.shutdownNow();
        http.shutdownNow();
    }

    private void scrapeIfNeeded() {
        if (awake.isEmpty()) {
            return;
        }
        try {
            Set<InetSocketAddress> present = refreshAddresses();
            List<CompletableFuture<Void>> answers = gateways.keySet().stream().map(this::scrape).toList();
            CompletableFuture.allOf(answers.toArray(CompletableFuture[]::new)).join();
            dropGone(present);
            tellChanges();
        } catch (RuntimeException e) {
            // An exception would end the timer for good; the next round begins from what is known.
            LOG.warn("reading the gateways' load failed", e);
        }
    }

    private Set<InetSocketAddress> refreshAddresses() {
        try {
            Set<InetSocketAddress> present = addresses.orElseThrow().resolve();
            unresolvedSince = null;
            present.forEach(address -> gateways.putIfAbsent(address, GatewayState.NEW));
            resolvedOnce = true;
            return present;
        } catch (UnknownHostException e) {
            if (unresolvedSince == null) {
                unresolvedSince = clock.instant();
                LOG.atWarn().addKeyValue(LogKeys.REASON, e.getMessage()).log("the gateways' name cannot be resolved");
            }
            return Set.copyOf(gateways.keySet());
        }
    }

    private CompletableFuture<Void> scrape(InetSocketAddress address) {
        String host = address.getAddress().getHostAddress();
        URI uri = URI.create("http://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + address.getPort()
                + "/internal/demand");
        return http
                .sendAsync(HttpRequest.newBuilder(uri).timeout(TIMEOUT).build(), HttpResponse.BodyHandlers.ofString())
                .thenApply(this::parse)
                .handle((report, error) -> {
                    Instant now = clock.instant();
                    gateways.computeIfPresent(address, (key, state) -> report != null && error == null
                            ? state.answered(report, now)
                            : state.failed(now));
                    return null;
                });
    }

    private DemandReport parse(HttpResponse<String> response) {
        if (response.statusCode() != 200) {
            throw new IllegalStateException(response.uri() + " answered " + response.statusCode());
        }
        try {
            return json.readValue(response.body(), DemandReport.class);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(response.uri() + " answered no demand report", e);
        }
    }

    /** One that is silent but still listed stays in the list, not counted: otherwise it would be new every time. */
    private void dropGone(Set<InetSocketAddress> present) {
        Instant now = clock.instant();
        gateways.entrySet()
                .removeIf(
                        entry -> !present.contains(entry.getKey()) && entry.getValue().gone(goneAfter, now));
    }

    private void tellChanges() {
        for (ModelKey model : awake) {
            Signature now = Signature.of(load(model));
            if (!now.equals(lastSeen.put(model, now))) {
                changed.accept(model);
            }
        }
    }

    private boolean unresolvedFor(Duration time, Instant now) {
        Instant since = unresolvedSince;
        return since != null && !since.plus(time).isAfter(now);
    }

    /** A load without the parts that change with every second. */
    private record Signature(Class<?> kind, int requests, Map<String, Integer> byPod, Set<String> drainingSeen) {
        static Signature of(Load load) {
            return load instanceof Load.Known known
                    ? new Signature(Load.Known.class, known.requests(), known.inFlightByPod(), known.drainingSeen())
                    : new Signature(load.getClass(), 0, Map.of(), Set.of());
        }
    }
}
