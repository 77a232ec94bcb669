package dev.dormouse.gateway.http;

import io.vertx.core.MultiMap;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Headers that belong to one connection and are not passed on (RFC 9110, 7.6.1). */
final class HopByHop {
    private static final Set<String> ALWAYS = Set.of("connection", "keep-alive", "proxy-connection",
            "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade");

    private static final Set<String> NEVER_BEHIND = Set.of("content-length", "content-type", "content-encoding",
            "content-range", "host", "authorization", "set-cookie", "cache-control");

    private HopByHop() {}

    /** Adds every header that belongs to the message, under its name and in its order, except those of {@code but}. */
    static void copy(MultiMap from, MultiMap to, Set<String> but) {
        Set<String> dropped = namedByConnection(from);
        for (Map.Entry<String, String> header : from) {
            String name = header.getKey().toLowerCase(Locale.ROOT);
            if (!ALWAYS.contains(name) && !dropped.contains(name) && !but.contains(name)) {
                to.add(header.getKey(), header.getValue());
            }
        }
    }

    /** Fields that frame a message or route it have no place behind it (RFC 9110, 6.5.1). */
    static void copyTrailers(MultiMap from, MultiMap to) {
        for (Map.Entry<String, String> trailer : from) {
            String name = trailer.getKey().toLowerCase(Locale.ROOT);
            if (!ALWAYS.contains(name) && !NEVER_BEHIND.contains(name)) {
                to.add(trailer.getKey(), trailer.getValue());
            }
        }
    }

    /** Whether the sender wants the connection closed after this exchange. */
    static boolean saysClose(MultiMap headers) {
        return namedByConnection(headers).contains("close");
    }

    private static Set<String> namedByConnection(MultiMap headers) {
        Set<String> names = new HashSet<>();
        for (String value : headers.getAll("Connection")) {
            for (String name : value.split(",", -1)) {
                names.add(name.strip().toLowerCase(Locale.ROOT));
            }
        }
        // A client must not be able to hide the length of what it sends from one of the two sides.
        names.remove("content-length");
        return names;
    }
}
