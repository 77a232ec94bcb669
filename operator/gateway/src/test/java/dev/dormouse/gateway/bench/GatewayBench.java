package dev.dormouse.gateway.bench;

import java.util.Arrays;

/**
 * Each part is a process of its own, so that CPU and memory are its own:
 *
 * <pre>
 * engine PORT                              answers at once: JSON, or 20 events; keeps streams open on demand
 * serve ENGINE_PORT PORT WAKE_MILLIS       a gateway whose cluster is a model "chat" with one replica, which is ready so long after the first demand, and a model "warm" that is awake
 * latency DIRECT PROXIED RPS SECONDS json|sse   alternates between both, open loop
 * cpu RPS SECONDS json|sse PORT:PID...      requests per CPU-second of proxies, alternating
 * step PORT RPS SECONDS                    from nothing to so many requests per second
 * hold PORT REQUESTS                       opens so many requests of 2 KiB and keeps them open until it is killed
 * streams PORT STREAMS PID                 opens so many streams, has them ended, and tells the memory of the process
 * </pre>
 */
public final class GatewayBench {

    private GatewayBench() {}

    public static void main(String[] arguments) throws Exception {
        String[] rest = Arrays.copyOfRange(arguments, 1, arguments.length);
        switch (arguments[0]) {
            case "engine" -> BenchEngine.run(number(rest[0]));
            case "serve" -> BenchGateway.run(number(rest[0]), number(rest[1]), number(rest[2]));
            case "latency" -> OpenLoop.latency(number(rest[0]), number(rest[1]), number(rest[2]), number(rest[3]),
                    rest[4].equals("sse"));
            case "cpu" -> OpenLoop.cpu(number(rest[0]), number(rest[1]), rest[2].equals("sse"),
                    Arrays.copyOfRange(rest, 3, rest.length));
            case "step" -> OpenLoop.step(number(rest[0]), number(rest[1]), number(rest[2]));
            case "hold" -> OpenConnections.hold(number(rest[0]), number(rest[1]));
            case "streams" -> OpenConnections.streams(number(rest[0]), number(rest[1]), Long.parseLong(rest[2]));
            default -> throw new IllegalArgumentException("there is no " + arguments[0]);
        }
    }

    private static int number(String text) {
        return Integer.parseInt(text);
    }
}
