package dev.dormouse.gateway.route;

import dev.dormouse.domain.fleet.ModelKey;

/** Hears what the cluster looks like. Every call says the newest state of one thing; saying it twice is harmless. */
public interface ClusterListener {
    void modelSeen(ModelRoute model);

    void modelGone(ModelKey model);

    void podSeen(PodRoute pod);

    void podGone(String uid);

    /** All that existed at the start has been told. */
    void synced();

    /** So many gateways, this one included, are ready to share the work. */
    void gatewaysSeen(int ready);
}
