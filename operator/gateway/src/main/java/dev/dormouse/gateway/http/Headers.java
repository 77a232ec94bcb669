package dev.dormouse.gateway.http;

import io.vertx.core.MultiMap;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Which headers go through a proxy: RFC 9110 §7.6.1. */
final class Headers {
    private static final Set<String> HOP_BY_HOP = Set.of("connection", "keep-alive", "proxy-authenticate",
            "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade");

    private Headers() {}

    /** Copies what is end-to-end: neither hop-by-hop nor named by {@code Connection}. */
    static void copyEndToEnd(MultiMap from, MultiMap to) {
        Set<String> named = new HashSet<>();
        for (String value : from.getAll("Connection")) {
            Arrays.stream(value.toLowerCase(Locale.ROOT).split(",")).map(String::trim).forEach(named::add);
        }
        for (Map.Entry<String, String> header : from) {
            String name = header.getKey().toLowerCase(Locale.ROOT);
            if (!HOP_BY_HOP.contains(name) && !named.contains(name)) {
                to.add(header.getKey(), header.getValue());
            }
        }
    }
}
