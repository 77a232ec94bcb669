package dev.dormouse.gateway.route;

import dev.dormouse.domain.fleet.ModelKey;
import java.util.Optional;

/**
 * One replica's pod.
 *
 * @param ip absent until the pod has an address
 * @param ready its Ready condition
 * @param draining the operator asks that nothing new is sent to it
 * @param leaving it is being deleted
 * @param h2c whether its engine speaks HTTP/2 without TLS
 * @param weight its share where requests are spread by weight; at least 1
 */
public record PodRoute(String uid, ModelKey model, Optional<String> ip, int enginePort, boolean ready, boolean draining,
        boolean leaving, int weight, boolean h2c) {

    /** One whose weight is 1, and that speaks HTTP/1.1. */
    public PodRoute(String uid, ModelKey model, Optional<String> ip, int enginePort, boolean ready, boolean draining,
            boolean leaving) {
        this(uid, model, ip, enginePort, ready, draining, leaving, 1, false);
    }

    /** Whether it may be sent something, if it is warm. */
    public boolean open() {
        return ip.isPresent() && !draining && !leaving;
    }
}
