package dev.dormouse.gateway;

import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * How one gateway is set up, from its environment.
 *
 * @param name stable name of this process
 * @param port where clients come
 * @param internalPort where the operator, probes and scrapes come
 * @param namespaces watched; empty stands for all
 * @param drain time to finish after SIGTERM
 * @param peekBytes how far into a body the model's name is looked for
 */
public record GatewayConfig(String name, String bind, int port, int internalPort, List<String> namespaces,
        Duration drain,
        int peekBytes, int maxQueuedPerModel, int maxQueued) {

    public GatewayConfig {
        namespaces = List.copyOf(namespaces);
    }

    /** @throws IllegalArgumentException naming the variable, its value and what is allowed */
    public static GatewayConfig parse(Map<String, String> env) {
        List<String> namespaces = Arrays.stream(env.getOrDefault("DORMOUSE_WATCH_NAMESPACES", "").split(","))
                .map(String::trim)
                .filter(name -> !name.isEmpty())
                .toList();
        return new GatewayConfig(env.getOrDefault("DORMOUSE_GATEWAY_NAME", env.getOrDefault("HOSTNAME", "gateway")),
                env.getOrDefault("DORMOUSE_BIND", "0.0.0.0"), number(env, "DORMOUSE_PORT", 8080, 1, 65535),
                number(env, "DORMOUSE_INTERNAL_PORT", 8081, 1, 65535), namespaces,
                Duration.ofSeconds(number(env, "DORMOUSE_DRAIN_SECONDS", 25, 0, 86400)),
                number(env, "DORMOUSE_PEEK_BYTES", 1 << 20, 1024, 1 << 26),
                number(env, "DORMOUSE_MAX_QUEUED_PER_MODEL", 1000, 1, 1_000_000),
                number(env, "DORMOUSE_MAX_QUEUED", 10_000, 1, 1_000_000));
    }

    private static int number(Map<String, String> env, String key, int otherwise, int least, int most) {
        String value = env.get(key);
        if (value == null || value.isBlank()) {
            return otherwise;
        }
        try {
            int number = Integer.parseInt(value.trim());
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Said below, with the range.
        }
        throw new IllegalArgumentException(key + " is \"" + value + "\"; it must be " + least + " to " + most);
    }
}
