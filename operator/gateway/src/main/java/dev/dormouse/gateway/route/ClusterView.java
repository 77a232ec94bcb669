package dev.dormouse.gateway.route;

import dev.dormouse.domain.fleet.ModelKey;

/** Who is told what changes in the cluster, each call on the owner's thread. */
public interface ClusterView {
    void model(ServedModel model);

    void modelGone(ModelKey key);

    void endpoint(Endpoint endpoint);

    void endpointGone(String uid);
}
