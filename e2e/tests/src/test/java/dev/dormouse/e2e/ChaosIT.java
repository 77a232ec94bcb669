package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.cli.local.LocalOptions;
import dev.dormouse.cluster.kubelet.Faults;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/**
 * Processes that are killed and frozen at random while clients ask for two models. {@code -Dchaos.rounds=20} in
 * continuous integration, 200 in the soak; {@code -Dchaos.seed} repeats a run.
 */
@EnabledIfSystemProperty(named = "slow", matches = "true", disabledReason = "takes a minute: .ci/run runs it, with -Dslow=true")
class ChaosIT extends Story {
    /** A request that the system cannot serve is refused with one of these, and a reason. */
    private static final Set<Integer> REFUSALS = Set.of(404, 429, 502, 503, 504);
    private static final List<String> MODELS = List.of("alpha", "beta");

    private final Queue<String> bad = new ConcurrentLinkedQueue<>();
    private final AtomicInteger answered = new AtomicInteger();
    private final AtomicInteger refused = new AtomicInteger();
    private final AtomicInteger broken = new AtomicInteger();
    /** While the only gateway is away nobody can answer. */
    private final AtomicBoolean gatewayAway = new AtomicBoolean();

    private enum Fault {
        OperatorKilled, OperatorFrozen, GatewayRestarted, GatewayKilled, SidecarKilled, EngineKilled, PodDeleted, NodeDown, ApiCut, ApiSilent
    }

    /** Between operator and gateway and their API server; nodes have a way of their own. */
    private final CuttableProxy api = new CuttableProxy();

    @Override
    LocalOptions options(LocalOptions options) {
        return options.withNodes(2)
                .withOperatorSetting("DORMOUSE_WARMUP_MAX_CONCURRENT", "1")
                .withOperatorSetting("HTTPS_PROXY", api.url())
                .withGatewaySetting("HTTPS_PROXY", api.url());
    }

    @Override
    @AfterAll
    void stop() throws IOException {
        super.stop();
        api.close();
    }

    @Test
    @DisplayName("Whatever is killed: every request is answered or refused with a reason, no pod is leaked, no slot lost, the final state is the desired one")
    void everythingIsAnsweredAndNothingIsLost() throws Exception {
        long seed = Long.getLong("chaos.seed", System.nanoTime());
        int rounds = Integer.getInteger("chaos.rounds", 3);
        Random random = new Random(seed);
        for (String model : MODELS) {
            apply(model, "  scaling: {idleSeconds: 2, stableWindowSeconds: 6}\n");
        }
        assertThat(api.tunnels()).as("what is cut is on the way of operator and gateway").isGreaterThan(1);
        AtomicBoolean over = new AtomicBoolean();
        List<Thread> clients = new ArrayList<>();
        for (String model : MODELS) {
            for (int client = 0; client < 2; client++) {
                clients.add(Thread.ofVirtual().start(() -> askUntil(over, model)));
            }
        }
        List<Fault> done = new ArrayList<>();
        for (int round = 0; round < rounds; round++) {
            Fault fault = Fault.values()[random.nextInt(Fault.values().length)];
            done.add(fault);
            TimeUnit.MILLISECONDS.sleep(500 + random.nextInt(2_500));
            inflict(fault, random);
        }
        over.set(true);
        for (Thread client : clients) {
            client.join(PATIENCE);
            assertThat(client.isAlive()).as("a request that never ended; seed %s, %s", seed, done).isFalse();
        }
        // How often each: which came when follows from the seed.
        Map<Fault, Long> faults = done.stream()
                .collect(Collectors.groupingBy(fault -> fault, () -> new EnumMap<>(Fault.class),
                        Collectors.counting()));
        System.out.printf("chaos: seed %d, %d rounds %s: %d answered, %d refused, %d broken by the gateway's end%n",
                seed, rounds, faults, answered.get(), refused.get(), broken.get());
        assertThat(bad).as("seed %s, %s", seed, done).isEmpty();
        assertThat(answered.get()).isPositive();

        for (String model : MODELS) {
            awaitModel(model, m -> "ScaledToZero".equals(ready(m).getReason()) && m.getStatus().replicas == 0);
            await().atMost(PATIENCE)
                    .untilAsserted(() -> assertThat(pods(model)).as("no pod is leaked").isEmpty());
        }
        apply("last", "  scaling: {initialStart: Never}\n");
        assertThat(ask("last", 90).statusCode()).as("the only warmup slot was given back").isEqualTo(200);
    }

    private void askUntil(AtomicBoolean over, String model) {
        while (!over.get()) {
            boolean away = gatewayAway.get();
            try {
                HttpResponse<String> answer = ask(model, (int) PATIENCE.toSeconds());
                if (answer.statusCode() == 200) {
                    answered.incrementAndGet();
                } else if (REFUSALS.contains(answer.statusCode()) && answer.body().contains("\"message\"")) {
                    refused.incrementAndGet();
                    TimeUnit.MILLISECONDS.sleep(100);
                } else {
                    bad.add(answer.statusCode() + " " + answer.body());
                }
            } catch (IOException e) {
                if (away || gatewayAway.get()) {
                    broken.incrementAndGet();
                } else {
                    bad.add(e.toString());
                }
                if (!pause()) {
                    return;
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return;
            }
        }
    }

    private static boolean pause() {
        try {
            TimeUnit.MILLISECONDS.sleep(100);
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private void inflict(Fault fault, Random random) throws Exception {
        switch (fault) {
            case OperatorKilled -> {
                cluster().operatorProcess().kill();
                restartOperator();
            }
            case OperatorFrozen -> {
                // As when its connections hang: nothing is lost, nothing is answered for a while.
                long pid = cluster().operatorProcess().pid();
                signal("STOP", pid);
                TimeUnit.SECONDS.sleep(2);
                signal("CONT", pid);
            }
            case GatewayRestarted -> {
                gatewayAway.set(true);
                cluster().restartGateway();
                gatewayAway.set(false);
            }
            case GatewayKilled -> {
                gatewayAway.set(true);
                cluster().gatewayProcess().kill();
                cluster().restartGateway();
                gatewayAway.set(false);
            }
            case SidecarKilled -> killOne(SIDECAR, random);
            case EngineKilled -> killOne("dev.dormouse.engine.onnx.OnnxEngineMain", random);
            case NodeDown -> {
                // Longer than its heartbeats may be missing, or just a hiccup.
                String node = random.nextBoolean() ? "local" : "local-2";
                power(node, false);
                TimeUnit.SECONDS.sleep(1 + random.nextInt(12));
                power(node, true);
            }
            case ApiCut -> interrupt(CuttableProxy.State.Cut, random);
            case ApiSilent -> interrupt(CuttableProxy.State.Silent, random);
            case PodDeleted -> {
                List<Pod> pods = MODELS.stream().flatMap(model -> pods(model).stream()).toList();
                if (!pods.isEmpty()) {
                    String name = pods.get(random.nextInt(pods.size())).getMetadata().getName();
                    cluster().client().pods().inNamespace("default").withName(name).delete();
                }
            }
        }
    }

    /** As a kubelet does: one that cannot start, because its API server is busy for too long, ends and is started again. */
    private void restartOperator() throws IOException, InterruptedException {
        for (int attempt = 1;; attempt++) {
            try {
                cluster().restartOperator();
                return;
            } catch (IOException e) {
                if (attempt == 3) {
                    throw e;
                }
            }
        }
    }

    private void power(String node, boolean on) {
        cluster().client().nodes().withName(node).edit(current -> {
            var metadata = new NodeBuilder(current).editMetadata();
            return (on
                    ? metadata.removeFromAnnotations(Faults.NODE_DOWN)
                    : metadata.addToAnnotations(Faults.NODE_DOWN, "true")).endMetadata().build();
        });
    }

    private void interrupt(CuttableProxy.State state, Random random) throws InterruptedException {
        api.become(state);
        TimeUnit.MILLISECONDS.sleep(500 + random.nextInt(4_500));
        api.become(CuttableProxy.State.Flowing);
    }

    private static void signal(String name, long pid) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-" + name, Long.toString(pid)).inheritIO().start().waitFor();
    }

    private void killOne(String program, Random random) {
        List<ProcessHandle> candidates = containers(program);
        if (!candidates.isEmpty()) {
            candidates.get(random.nextInt(candidates.size())).destroyForcibly();
        }
    }
}
