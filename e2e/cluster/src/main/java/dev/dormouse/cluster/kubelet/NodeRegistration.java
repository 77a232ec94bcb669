package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.NodeConditionBuilder;
import io.fabric8.kubernetes.api.model.NodeStatus;
import io.fabric8.kubernetes.api.model.NodeStatusBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.coordination.v1.LeaseBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.time.Duration;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The Node object of a process node: says what it offers, that it lives, and that it goes. */
record NodeRegistration(KubernetesClient client, NodeConfig config, Clock clock) {
    private static final Logger LOG = LoggerFactory.getLogger(NodeRegistration.class);
    private static final PatchContext MERGE = PatchContext.of(PatchType.JSON_MERGE);
    private static final String LEASES = "kube-node-lease";
    private static final int LEASE_SECONDS = 40;

    /** Creates the Node or takes over the one of an earlier run. */
    void register() {
        Map<String, String> labels = new TreeMap<>(Map.of("kubernetes.io/hostname", config.name(), "kubernetes.io/os",
                System.getProperty("os.name", "").toLowerCase(java.util.Locale.ROOT), "kubernetes.io/arch",
                System.getProperty("os.arch", "")));
        labels.putAll(config.labels());
        Node node = new NodeBuilder().withNewMetadata()
                .withName(config.name())
                .withLabels(labels)
                .endMetadata()
                .withNewSpec()
                .endSpec()
                .build();
        try {
            client.nodes().resource(node).create();
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                throw e;
            }
            patch(Map.of("metadata", Map.of("labels", labels)), false);
        }
        patch(Map.of("status", status(true, "KubeletReady", "the process node runs pods as local processes")), true);
    }

    /** No pods start here any more. */
    void unregister() {
        patch(Map.of("status", Map.of("conditions", new NodeCondition[]{condition(false, "KubeletNotReady",
                "the process node has been shut down")})), true);
    }

    private void patch(Map<String, ?> change, boolean status) {
        String json = Serialization.asJson(change);
        var node = client.nodes().withName(config.name());
        if (status) {
            node.subresource("status").patch(MERGE, json);
        } else {
            node.patch(MERGE, json);
        }
    }

    private NodeStatus status(boolean ready, String reason, String message) {
        Map<String, Quantity> capacity = new TreeMap<>();
        config.capacity().forEach((resource, amount) -> capacity.put(resource, new Quantity(amount)));
        return new NodeStatusBuilder().withCapacity(capacity)
                .withAllocatable(capacity)
                .withConditions(condition(ready, reason, message))
                .addNewAddress()
                .withType("InternalIP")
                .withAddress(NodeConfig.HOST_IP)
                .endAddress()
                .addNewAddress()
                .withType("Hostname")
                .withAddress(config.name())
                .endAddress()
                .withNewNodeInfo()
                .withArchitecture(System.getProperty("os.arch", ""))
                .withBootID("")
                .withContainerRuntimeVersion("process://1")
                .withKernelVersion(System.getProperty("os.version", ""))
                .withKubeProxyVersion("")
                .withMachineID("")
                .withKubeletVersion("v1.34.0+process")
                .withOperatingSystem(System.getProperty("os.name", ""))
                .withOsImage("local processes, not containers")
                .withSystemUUID("")
                .endNodeInfo()
                .build();
    }

    private NodeCondition condition(boolean ready, String reason, String message) {
        String now = clock.instant().truncatedTo(ChronoUnit.SECONDS).toString();
        return new NodeConditionBuilder().withType("Ready")
                .withStatus(ready ? "True" : "False")
                .withReason(reason)
                .withMessage(message)
                .withLastHeartbeatTime(now)
                .withLastTransitionTime(now)
                .build();
    }

    /** Renews the node's lease again and again, until interrupted. */
    void beat(Duration interval) {
        try {
            while (true) {
                renew();
                Thread.sleep(interval);
            }
        } catch (InterruptedException _) {
            // The node is closed.
            Thread.currentThread().interrupt();
        }
    }

    private void renew() {
        ZonedDateTime now = clock.instant().truncatedTo(ChronoUnit.MICROS).atZone(ZoneOffset.UTC);
        try {
            var leases = client.leases().inNamespace(LEASES);
            if (leases.withName(config.name()).get() == null) {
                leases.resource(new LeaseBuilder().withNewMetadata()
                        .withName(config.name())
                        .withNamespace(LEASES)
                        .endMetadata()
                        .withNewSpec()
                        .withHolderIdentity(config.name())
                        .withLeaseDurationSeconds(LEASE_SECONDS)
                        .withRenewTime(now)
                        .endSpec()
                        .build()).create();
            } else {
                leases.withName(config.name())
                        .edit(lease -> new LeaseBuilder(lease).editOrNewSpec()
                                .withRenewTime(now)
                                .endSpec()
                                .build());
            }
        } catch (KubernetesClientException e) {
            LOG.debug("Node {}: heartbeat not written: {}", config.name(), e.getMessage());
        }
    }
}
