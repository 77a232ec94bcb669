package dev.dormouse.gateway.http;

import io.vertx.core.http.HttpConnection;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Closes connections on which no request comes about: idle ones, and those whose client sends its headers one byte at a
 * time. Connections that carry a request are left alone, however long it is held. Owned by the event loop.
 */
final class Connections {
    private static final class Use {
        private int requests;
        private Instant freeSince;

        Use(Instant now) {
            this.freeSince = now;
        }
    }

    private final Duration patience;
    private final Map<HttpConnection, Use> uses = new HashMap<>();

    Connections(Duration patience) {
        this.patience = patience;
    }

    void opened(HttpConnection connection, Instant now) {
        uses.put(connection, new Use(now));
        connection.closeHandler(closed -> uses.remove(connection));
    }

    /** Its client sent something. */
    void heard(HttpConnection connection, Instant now) {
        Use use = uses.get(connection);
        if (use != null) {
            use.freeSince = now;
        }
    }

    /** A request has come as far as it must to be routed. */
    void begun(HttpConnection connection) {
        Use use = uses.get(connection);
        if (use != null) {
            use.requests++;
        }
    }

    /** A request has been answered. */
    void ended(HttpConnection connection, Instant now) {
        Use use = uses.get(connection);
        if (use != null) {
            use.requests--;
            use.freeSince = now;
        }
    }

    /** To be called about every second. */
    void sweep(Instant now) {
        List<HttpConnection> stale = uses.entrySet()
                .stream()
                .filter(use -> use.getValue().requests <= 0 && now.isAfter(use.getValue().freeSince.plus(patience)))
                .map(Map.Entry::getKey)
                .toList();
        stale.forEach(HttpConnection::close);
    }

    int size() {
        return uses.size();
    }
}
