package dev.dormouse.gateway.route;

import dev.dormouse.domain.fleet.ModelKey;

/**
 * One pod of a model.
 *
 * @param ip empty until the pod has one
 * @param ready by its own condition
 * @param leaving draining or being deleted: nothing new is sent there
 */
public record Endpoint(String uid, ModelKey model, String ip, int enginePort, int sidecarPort, boolean ready,
        boolean leaving) {}
