package dev.dormouse.gateway.http;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.gateway.route.Endpoint;
import dev.dormouse.sidecar.api.SidecarStatus;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.parsetools.RecordParser;
import java.io.IOException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Follows the sidecars of starting pods by one long-lived request each, so that a held request goes out the moment the
 * replica is warm. Tries again until told to stop: a sidecar listens later than its pod has an address.
 */
final class SidecarFollower {
    private static final Logger LOG = LoggerFactory.getLogger(SidecarFollower.class);
    private static final long RETRY_MILLIS = 20;
    private static final int LONGEST_LINE = 1 << 20;
    private static final ObjectMapper JSON = new ObjectMapper()
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);

    private final Vertx vertx;
    private final HttpClient client;
    private final BiConsumer<String, SidecarStatus> report;
    private final Set<String> followed = new HashSet<>();
    private final Map<String, SidecarStatus> last = new HashMap<>();

    /** @param report gets the pod's uid and each status, on the event loop */
    SidecarFollower(Vertx vertx, HttpClient client, BiConsumer<String, SidecarStatus> report) {
        this.vertx = vertx;
        this.client = client;
        this.report = report;
    }

    /** Idempotent. */
    void follow(Endpoint endpoint) {
        if (!endpoint.ip().isEmpty() && followed.add(endpoint.uid())) {
            connect(endpoint);
        }
    }

    void forget(String uid) {
        followed.remove(uid);
        last.remove(uid);
    }

    @org.jspecify.annotations.Nullable
    SidecarStatus last(String uid) {
        return last.get(uid);
    }

    private void connect(Endpoint endpoint) {
        if (!followed.contains(endpoint.uid())) {
            return;
        }
        client.request(HttpMethod.GET, endpoint.sidecarPort(), endpoint.ip(), "/status?watch=true")
                .compose(request -> request.send())
                .onSuccess(response -> read(endpoint, response))
                .onFailure(notYet -> again(endpoint));
    }

    private void again(Endpoint endpoint) {
        vertx.setTimer(RETRY_MILLIS, timer -> connect(endpoint));
    }

    private void read(Endpoint endpoint, HttpClientResponse response) {
        RecordParser lines = RecordParser.newDelimited("\n").maxRecordSize(LONGEST_LINE);
        lines.handler(line -> line(endpoint, response, line));
        response.handler(lines);
        response.exceptionHandler(broken -> again(endpoint));
        response.endHandler(ended -> again(endpoint));
    }

    private void line(Endpoint endpoint, HttpClientResponse response, Buffer line) {
        if (!followed.contains(endpoint.uid())) {
            response.request().reset();
            return;
        }
        try {
            SidecarStatus status = JSON.readValue(line.getBytes(), SidecarStatus.class);
            last.put(endpoint.uid(), status);
            report.accept(endpoint.uid(), status);
        } catch (IOException e) {
            LOG.atWarn()
                    .setMessage("a sidecar said something else")
                    .addKeyValue("pod", endpoint.uid())
                    .addKeyValue("cause", e.getMessage())
                    .log();
        }
    }
}
