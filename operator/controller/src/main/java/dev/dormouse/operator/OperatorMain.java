package dev.dormouse.operator;

import dev.dormouse.operator.json.ApiJson;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.security.Security;
import java.time.Clock;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Starts the operator. Exit status: 0 after SIGTERM, 1 when leadership is lost, 2 for a bad configuration. */
public final class OperatorMain {
    private static final Logger LOG = LoggerFactory.getLogger(OperatorMain.class);

    /** The client's own 10 s are too few for the list of ten thousand models from a busy API server, and no list is no start. */
    private static final Duration REQUEST_TIMEOUT = Duration.ofSeconds(30);

    private OperatorMain() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        OperatorConfig config;
        try {
            config = OperatorConfig.fromEnvironment(System.getenv());
        } catch (IllegalArgumentException e) {
            System.err.println("dormouse operator: " + e.getMessage());
            System.exit(2);
            return;
        }
        // Gateways come and go; the JVM would remember an address for 30 s.
        Security.setProperty("networkaddress.cache.ttl", "5");
        // Watches over plain HTTP: a web socket carries nothing more and needs an upgrade that not every proxy passes.
        Config access = new ConfigBuilder(Config.autoConfigure(null)).withOnlyHttpWatches(true)
                .withRequestTimeout((int) REQUEST_TIMEOUT.toMillis())
                .build();
        KubernetesClient client = new KubernetesClientBuilder().withConfig(access)
                .withKubernetesSerialization(ApiJson.SHARED)
                .build();
        // At once, without shutdown hooks: nothing may be written after leadership is lost.
        DormouseOperator operator = new DormouseOperator(client, config, Clock.systemUTC(),
                () -> Runtime.getRuntime().halt(1));
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(() -> {
            LOG.info("stopping");
            operator.close();
            client.close();
            Runtime.getRuntime().halt(0);
        }));
        try {
            operator.start();
        } catch (RuntimeException e) {
            LOG.error("the operator could not start", e);
            Runtime.getRuntime().halt(1);
        }
        // The SDK's threads keep the process alive from here on, but only while reconciles may run.
        new CountDownLatch(1).await();
    }
}
