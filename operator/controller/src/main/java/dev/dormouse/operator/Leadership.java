package dev.dormouse.operator;

import dev.dormouse.operator.log.LogKeys;
import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.extended.leaderelection.LeaderCallbacks;
import io.javaoperatorsdk.operator.api.config.LeaderElectionConfiguration;
import java.util.Optional;
import java.util.UUID;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The lease by which one of several operators leads. The SDK (5.3.2) would end the JVM with status 1 whenever leading
 * ends, a regular stop included, and never gives its lease back; so it is told not to exit, and both are done here.
 */
final class Leadership {
    private static final Logger LOG = LoggerFactory.getLogger(Leadership.class);
    private static final String LEASE = "dormouse-operator";

    private final KubernetesClient client;
    private final OperatorConfig config;
    private final Runnable lost;
    private final String identity = "dormouse-operator-" + UUID.randomUUID();
    private volatile boolean stopping;
    private volatile boolean leading;

    Leadership(KubernetesClient client, OperatorConfig config, Runnable lost) {
        this.client = client;
        this.config = config;
        this.lost = lost;
    }

    /** Nothing when leader election is off. */
    Optional<LeaderElectionConfiguration> configuration() {
        if (!config.leaderElection()) {
            return Optional.empty();
        }
        LeaderCallbacks callbacks = new LeaderCallbacks(this::startedLeading, this::stoppedLeading,
                leader -> LOG.debug("{} leads", leader));
        return Optional.of(new LeaderElectionConfiguration(LEASE, config.namespace(), config.leaseDuration(),
                config.leaseRenewDeadline(), config.leaseRetryPeriod(), identity, callbacks, false));
    }

    /** Without leader election it always does. */
    boolean leads() {
        return leading || !config.leaderElection();
    }

    void stopping() {
        stopping = true;
    }

    /** Empties the lease if it is ours. Best effort: if it fails, the lease ends by itself. */
    void release() {
        if (!config.leaderElection()) {
            return;
        }
        try {
            Lease lease = client.leases().inNamespace(config.namespace()).withName(LEASE).get();
            if (lease != null && identity.equals(lease.getSpec().getHolderIdentity())) {
                lease.getSpec().setHolderIdentity("");
                client.resource(lease).update();
            }
        } catch (KubernetesClientException e) {
            LOG.atInfo().addKeyValue(LogKeys.REASON, e.getMessage()).log("the lease could not be given back");
        }
    }

    private void startedLeading() {
        leading = true;
        LOG.atInfo().addKeyValue(LogKeys.LEADER, identity).log("leading");
    }

    private void stoppedLeading() {
        leading = false;
        if (!stopping) {
            LOG.error("leadership is lost; another operator takes over");
            lost.run();
        }
    }
}
