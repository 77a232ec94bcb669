package dev.dormouse.gateway.http;

import java.time.Duration;

/**
 * How long a peer may take. Held requests are not bounded by these but by their model's queue timeout.
 *
 * @param request a connection may be silent for so long before or between requests, a request's headers take so long, and
 *        the part of a body that is looked into may rest for so long
 * @param upstreamIdle an engine may be silent for so long while it answers
 * @param total from a request's arrival to the end of its answer; zero for no limit
 */
public record Timeouts(Duration request, Duration upstreamIdle, Duration total) {
    public static final Timeouts DEFAULT = new Timeouts(Duration.ofSeconds(60), Duration.ofMinutes(10), Duration.ZERO);
}
