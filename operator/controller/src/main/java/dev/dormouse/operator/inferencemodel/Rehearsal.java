package dev.dormouse.operator.inferencemodel;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.warmup.WarmupLimits;
import dev.dormouse.operator.desired.ReplicaPod;
import dev.dormouse.operator.json.ApiJson;
import dev.dormouse.operator.observe.EventRecorder;
import dev.dormouse.operator.observe.OperatorMetrics;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.resolve.ResolvedModel.Resolved;
import dev.dormouse.operator.status.StatusWriter;
import dev.dormouse.operator.warmup.WarmupQueue;
import dev.dormouse.trace.StepTracing;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/**
 * Wakes a model that nobody made, over and over, so that the first wake of a real one does not wait for classes to be loaded
 * and compiled. What runs is the very code of a wake, up to its requests; they go to a server of this process on the
 * loopback interface, which gives back what it is sent. Nothing that real models have is touched, and no API server hears of it.
 */
public final class Rehearsal {
    private static final Logger LOG = LoggerFactory.getLogger(Rehearsal.class);
    /** No namespace can be called so. */
    private static final ModelKey KEY = new ModelKey("-", "rehearsal");

    private final Services services;
    private final int rounds;

    /**
     * @param services of the real reconciles; only what has no memory of models is used
     * @param rounds the just-in-time compiler takes up a method after some two hundred calls
     */
    public Rehearsal(Services services, int rounds) {
        this.services = services;
        this.rounds = rounds;
    }

    /** Of what is said about a model: nobody wants to read of the one that is rehearsed. */
    static Level level(ModelKey model) {
        return model.equals(KEY) ? Level.DEBUG : Level.INFO;
    }

    /** @return how many pods were asked for: one a round */
    public int run() {
        long begin = System.nanoTime();
        AtomicInteger pods = new AtomicInteger();
        try {
            HttpServer echo = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            echo.createContext("/", exchange -> echo(exchange, pods));
            echo.start();
            try (KubernetesClient client = client(echo.getAddress())) {
                for (int round = 0; round < rounds; round++) {
                    wake(client, round);
                }
            } finally {
                echo.stop(0);
                services.gateways().setAwake(KEY, false);
            }
            LOG.debug("{} wakes rehearsed in {} ms", pods, (System.nanoTime() - begin) / 1_000_000);
        } catch (IOException | RuntimeException e) {
            LOG.info("the first wake will be slower: its rehearsal failed", e);
        }
        return pods.get();
    }

    private static KubernetesClient client(InetSocketAddress echo) {
        return new KubernetesClientBuilder().withConfig(new ConfigBuilder().withAutoConfigure(false)
                .withMasterUrl("http://%s:%d".formatted(echo.getAddress().getHostAddress(), echo.getPort()))
                .build()).withKubernetesSerialization(ApiJson.SHARED).build();
    }

    private void wake(KubernetesClient client, int round) {
        Clock clock = services.clock();
        Instant now = clock.instant().truncatedTo(ChronoUnit.MICROS);
        InferenceModel model = ApiJson.SHARED.unmarshal(
                """
                {"apiVersion": "dormouse.dev/v1alpha1", "kind": "InferenceModel",
                 "metadata": {"name": "%s", "namespace": "%s", "uid": "%d", "generation": 1, "resourceVersion": "1"},
                 "spec": {"model": {"uri": "file:///rehearsal"}, "engine": {"image": "rehearsal"}},
                 "status": {"demand": {"requestedAt": "%s"}}}
                """.formatted(KEY.name(), KEY.namespace(), round, now), InferenceModel.class);
        Services rehearsed = new Services(client, services.settings(), clock, new StatusWriter(client),
                services.sidecars(), services.gateways(),
                new WarmupQueue(WarmupLimits.ofConcurrent(1), clock, signalled -> {
                }), new EventRecorder(client, clock), new OperatorMetrics(), services.volumes(),
                new WakeTrace(StepTracing.OFF, Optional.empty(), clock));
        Set<String> claims = Set.of(ResolvedModel.ownClaim(model));
        if (ResolvedModel.of(model, claims::contains, pool -> false) instanceof Resolved resolved) {
            String template = ReplicaPod.template(model, resolved);
            var unused = new ModelCycle(rehearsed, model, new ModelMemory(rehearsed.statuses().latest(model), template,
                    now), resolved, resolved, template, List.of(), claims, Map.of(), now).run();
        }
    }

    /** As an API server answers a write, as far as its client can tell. */
    private void echo(HttpExchange exchange, AtomicInteger pods) throws IOException {
        try (exchange) {
            String sent = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            boolean create = exchange.getRequestMethod().equals("POST");
            if (create && exchange.getRequestURI().getPath().endsWith("/pods")) {
                pods.incrementAndGet();
            }
            ObjectNode object = ApiJson.SHARED.unmarshal(sent, ObjectNode.class);
            object.withObject("/metadata")
                    .put("uid", "rehearsal")
                    .put("resourceVersion", "2")
                    .put("creationTimestamp", services.clock().instant().truncatedTo(ChronoUnit.SECONDS).toString());
            byte[] answer = ApiJson.SHARED.asJson(object).getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(create ? 201 : 200, answer.length);
            exchange.getResponseBody().write(answer);
        }
    }
}
