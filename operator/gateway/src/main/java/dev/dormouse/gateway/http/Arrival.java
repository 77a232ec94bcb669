package dev.dormouse.gateway.http;

import dev.dormouse.domain.pattern.RequestSample.Traits;
import dev.dormouse.gateway.route.ModelRoute;

/**
 * A request as the {@link Dispatcher} sees it.
 *
 * @param bytes kept in memory while it waits
 * @param quiet a probe or a scrape: it never wakes a model, nor keeps one awake (BL14, BL31)
 * @param heartbeat the client reads a stream, and may be told in it how far the wake is
 * @param traits what it is like
 * @param affinity equal for requests that begin alike; 0 for one that is like no other
 */
record Arrival(ModelRoute model, Wishes wishes, int bytes, boolean quiet, boolean heartbeat, long affinity,
        Traits traits) {}
