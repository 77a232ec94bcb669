package dev.dormouse.gateway.load;

import dev.dormouse.domain.hold.HoldCore;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;

/**
 * Counters of the whole gateway in Prometheus' text format. No label names a client, a model or a prompt, so their
 * number stays small. Not safe for threads: the gateway's event loop owns it.
 */
public final class GatewayMetrics {
    private final Map<Integer, Long> requestsByCode = new TreeMap<>();
    private long wakes;
    private long waits;
    private long waitNanos;
    private long disconnects;

    /** A request was answered, with this status of ours or of the engine. */
    public void answered(int code) {
        requestsByCode.merge(code, 1L, Long::sum);
    }

    /** A client left before its answer was complete. */
    public void disconnected() {
        disconnects++;
    }

    /** A model was asked to wake. */
    public void wake() {
        wakes++;
    }

    /** A held request was let go to a replica. */
    public void waited(Duration time) {
        waits++;
        waitNanos += time.toNanos();
    }

    public String text(HoldCore carried) {
        StringBuilder out = new StringBuilder(1024);
        family(out, "dormouse_gateway_requests_total", "counter", "Requests answered, by status code.");
        requestsByCode.forEach((code, count) -> out.append("dormouse_gateway_requests_total{code=\"")
                .append(code)
                .append("\"} ")
                .append(count)
                .append('\n'));
        single(out, "dormouse_gateway_client_disconnects_total", "counter",
                "Clients that left before their answer was complete.", disconnects);
        single(out, "dormouse_gateway_held_requests", "gauge", "Requests that wait for a replica.",
                carried.waitingInAll());
        single(out, "dormouse_gateway_in_flight_requests", "gauge", "Requests at a replica.", carried.servingInAll());
        single(out, "dormouse_gateway_wakes_total", "counter", "Times that a model was asked to wake.", wakes);
        family(out, "dormouse_gateway_wait_seconds", "summary",
                "Time that requests were held before they were served.");
        out.append("dormouse_gateway_wait_seconds_sum ").append(waitNanos / 1e9).append('\n');
        out.append("dormouse_gateway_wait_seconds_count ").append(waits).append('\n');
        return out.toString();
    }

    private static void single(StringBuilder out, String name, String type, String help, long value) {
        family(out, name, type, help);
        out.append(name).append(' ').append(value).append('\n');
    }

    private static void family(StringBuilder out, String name, String type, String help) {
        out.append("# HELP ").append(name).append(' ').append(help).append('\n');
        out.append("# TYPE ").append(name).append(' ').append(type).append('\n');
    }
}
