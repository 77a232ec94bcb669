package dev.dormouse.gateway.kube;

import dev.dormouse.gateway.route.ClusterListener;
import io.fabric8.kubernetes.api.model.discovery.v1.Endpoint;
import io.fabric8.kubernetes.api.model.discovery.v1.EndpointSlice;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Counts the gateways that are ready behind their service, so that each knows its share of every limit. While the cluster
 * cannot be reached the last count stays: a limit that is a little wrong is better than one that jumps.
 */
public final class GatewayCounter implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(GatewayCounter.class);

    private final SharedIndexInformer<EndpointSlice> slices;
    private final ClusterListener listener;
    private volatile int counted;

    /** @param service whose endpoints are the gateways */
    public GatewayCounter(KubernetesClient client, String namespace, String service, ClusterListener listener) {
        this.listener = listener;
        slices = client.discovery()
                .v1()
                .endpointSlices()
                .inNamespace(namespace)
                .withLabel("kubernetes.io/service-name", service)
                .runnableInformer(0);
        slices.exceptionHandler((started, error) -> {
            LOG.warn("the gateways cannot be counted at present; trying again: {}", error.getMessage());
            return true;
        });
        slices.addEventHandler(new ResourceEventHandler<EndpointSlice>() {
            @Override
            public void onAdd(EndpointSlice seen) {
                count();
            }

            @Override
            public void onUpdate(EndpointSlice before, EndpointSlice seen) {
                count();
            }

            @Override
            public void onDelete(EndpointSlice last, boolean stateUnknown) {
                count();
            }
        });
    }

    /** Begins to watch and returns. */
    public void start() {
        slices.start().exceptionally(error -> {
            LOG.error("watching the gateways could not begin", error);
            return null;
        });
    }

    private void count() {
        int ready = ready(slices.getIndexer().list());
        if (ready != counted) {
            counted = ready;
            LOG.info("{} gateways share the limits", ready);
            listener.gatewaysSeen(ready);
        }
    }

    /** An address may be in two slices while they are rewritten, and a pod has one per IP family. */
    static int ready(List<EndpointSlice> slices) {
        return (int) slices.stream()
                .flatMap(slice -> Objects.requireNonNullElse(slice.getEndpoints(), List.<Endpoint>of()).stream())
                .filter(endpoint -> endpoint.getConditions() == null
                        || !Boolean.FALSE.equals(endpoint.getConditions().getReady()))
                .flatMap(endpoint -> endpoint.getTargetRef() == null
                        ? endpoint.getAddresses().stream()
                        : Stream.of(endpoint.getTargetRef().getName()))
                .distinct()
                .count();
    }

    @Override
    public void close() {
        slices.stop();
    }
}
