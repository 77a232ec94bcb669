package dev.dormouse.gateway;

import dev.dormouse.domain.hold.HoldLimits;
import dev.dormouse.gateway.http.GatewayServer;
import dev.dormouse.gateway.http.ServerSettings;
import dev.dormouse.gateway.http.Timeouts;
import dev.dormouse.gateway.kube.ApiKeyWatcher;
import dev.dormouse.gateway.kube.ClusterWatcher;
import dev.dormouse.gateway.kube.GatewayCounter;
import dev.dormouse.gateway.kube.KubernetesDemandWriter;
import dev.dormouse.gateway.trace.OtlpTracing;
import dev.dormouse.gateway.trace.Tracing;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarTls;
import dev.dormouse.trace.OtlpExport;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.time.Clock;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Starts the gateway. Exit status: 0 after SIGTERM, when what it carried is done; 1 when it cannot listen; 2 for a bad
 * configuration.
 */
public final class GatewayMain {
    private static final Logger LOG = LoggerFactory.getLogger(GatewayMain.class);

    private GatewayMain() {}

    public static void main(String[] arguments) {
        GatewayConfig config;
        try {
            config = GatewayConfig.fromEnvironment(System.getenv());
        } catch (IllegalArgumentException e) {
            System.err.println("dormouse gateway: " + e.getMessage());
            System.exit(2);
            return;
        }
        Optional<SidecarTls> tls;
        try {
            tls = config.sidecarAuthority().isPresent()
                    ? Optional.of(new SidecarTls(config.sidecarAuthority().get()))
                    : Optional.empty();
        } catch (IOException e) {
            System.err.println("dormouse gateway: DORMOUSE_SIDECAR_CA: " + e.getMessage());
            System.exit(2);
            return;
        }
        // Watches over plain HTTP: a web socket carries nothing more and needs an upgrade that not every proxy passes.
        Config access = new ConfigBuilder(Config.autoConfigure(null)).withOnlyHttpWatches(true).build();
        KubernetesClient client = new KubernetesClientBuilder().withConfig(access).build();
        KubernetesDemandWriter demands = new KubernetesDemandWriter(client);
        Tracing tracing = config.otlpEndpoint()
                .<Tracing>map(endpoint -> new OtlpTracing(OtlpExport.to(endpoint, "dormouse-gateway", config.name(),
                        config.tracePercent() / 100.0)))
                .orElse(Tracing.OFF);
        GatewayServer server;
        try {
            server = GatewayServer.start(settings(config, tls), demands, demands, tracing, Clock.systemUTC());
        } catch (IllegalStateException e) {
            System.err.println("dormouse gateway: " + e.getMessage());
            System.exit(1);
            return;
        }
        ClusterWatcher watcher = new ClusterWatcher(client, config.watchNamespaces(), server.cluster());
        Optional<GatewayCounter> counter = config.service()
                .map(service -> new GatewayCounter(client, service.namespace(), service.name(), server.cluster()));
        Optional<ApiKeyWatcher> keys = config.apiKeysNamespace()
                .map(namespace -> new ApiKeyWatcher(client, namespace, server.cluster()));
        Runtime.getRuntime().addShutdownHook(Thread.ofPlatform().unstarted(() -> {
            LOG.info("ending: what is held and running has {} s to finish", config.drain().toSeconds());
            // The cluster is watched until the end: held requests still need to hear of their replica.
            server.drain();
            watcher.close();
            counter.ifPresent(GatewayCounter::close);
            keys.ifPresent(ApiKeyWatcher::close);
            demands.close();
            server.close();
            tracing.close();
            client.close();
            Runtime.getRuntime().halt(0);
        }));
        watcher.start();
        counter.ifPresent(GatewayCounter::start);
        keys.ifPresent(ApiKeyWatcher::start);
    }

    private static ServerSettings settings(GatewayConfig config, Optional<SidecarTls> tls) {
        return new ServerSettings(config.bind(), config.port(), config.internalPort(), config.name(),
                HoldLimits.ofRequests(config.maxQueuedPerModel(), config.maxQueued()).withBytes(config.maxHeldBytes()),
                config.gateways(),
                new ServerSettings.Peek(config.peekBytes(), config.formPeekBytes(), config.maxPeekedBytes()),
                config.drainDelay(), config.drain(), PodConventions.SIDECAR_PORT,
                new Timeouts(config.requestTimeout(), config.upstreamIdle(), config.totalTimeout()), config.h2c(),
                config.accessLog(),
                config.adminPort().map(port -> new ServerSettings.Admin(config.adminBind(), port)),
                config.apiKeysNamespace().isPresent(), config.resultCacheBytes(), config.historyEntries(),
                tls, config.corsOrigins());
    }
}
