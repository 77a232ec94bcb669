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

    /** A key appeared or changed. */
    void apiKeySeen(ApiKey key);

    /** A key opens nothing any more. @param name as in {@link ApiKey#name} */
    void apiKeyGone(String name);
}
