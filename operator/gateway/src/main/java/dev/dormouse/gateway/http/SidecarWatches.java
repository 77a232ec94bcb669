package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SidecarTls;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.RequestOptions;
import io.vertx.core.net.SocketAddress;
import io.vertx.core.net.TrustOptions;
import io.vertx.core.parsetools.RecordParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Follows sidecars of starting pods by {@code GET /status?watch=true}: one line of JSON per change, so that a held
 * request need not wait for a probe to pass and the news to travel. Decides nothing. Owned by the event loop.
 */
final class SidecarWatches {
    private static final Logger LOG = LoggerFactory.getLogger(SidecarWatches.class);
    private static final long FIRST_PAUSE_MILLIS = 20;
    private static final long LONGEST_PAUSE_MILLIS = 1000;
    private static final int CONNECT_TIMEOUT_MILLIS = 1000;
    /** A sidecar writes at least every 10 s: one that is silent for longer is not there any more. */
    private static final int SILENCE_SECONDS = 30;
    private static final int LONGEST_LINE_BYTES = 1 << 20;

    private final Vertx vertx;
    private final int port;
    private final HttpClient http;
    private final ObjectMapper json = JsonMapper.builder()
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();
    private final Map<String, Watch> watches = new HashMap<>();

    /**
     * @param port where every sidecar listens
     * @param tls how its certificate is checked; absent: plain http
     */
    SidecarWatches(Vertx vertx, int port, Optional<SidecarTls> tls) {
        this.vertx = vertx;
        this.port = port;
        HttpClientOptions options = new HttpClientOptions().setKeepAlive(false)
                .setConnectTimeout(CONNECT_TIMEOUT_MILLIS)
                .setReadIdleTimeout(SILENCE_SECONDS);
        // The name in the certificate is not the pod's address: whoever is trusted has checked it.
        tls.ifPresent(trust -> options.setSsl(true).setVerifyHost(false).setTrustOptions(TrustOptions.wrap(trust)));
        this.http = vertx.createHttpClient(options);
    }

    /** Begins to follow the pod's sidecar; nothing happens if it is followed already. */
    void follow(PodRoute pod, Consumer<SidecarStatus> said) {
        if (pod.ip().isPresent() && !watches.containsKey(pod.uid())) {
            Watch watch = new Watch(pod.uid(), pod.ip().get(), said);
            watches.put(pod.uid(), watch);
            watch.connect();
        }
    }

    void forget(String podUid) {
        Watch watch = watches.remove(podUid);
        if (watch != null) {
            watch.stop();
        }
    }

    /** Pods followed at present. */
    int size() {
        return watches.size();
    }

    private final class Watch {
        private final String podUid;
        private final RequestOptions request;
        private final Consumer<SidecarStatus> said;
        private long pause = FIRST_PAUSE_MILLIS;
        private boolean stopped;
        private boolean pausing;
        private @Nullable HttpClientRequest connected;

        Watch(String podUid, String ip, Consumer<SidecarStatus> said) {
            this.podUid = podUid;
            this.said = said;
            this.request = new RequestOptions().setServer(SocketAddress.inetSocketAddress(port, ip))
                    .setHost(ip)
                    .setPort(port)
                    .setMethod(HttpMethod.GET)
                    .setURI("/status?watch=true");
        }

        void connect() {
            if (stopped) {
                return;
            }
            http.request(request).compose(this::send).onSuccess(this::read).onFailure(this::again);
        }

        private Future<HttpClientResponse> send(HttpClientRequest opened) {
            connected = opened;
            if (stopped) {
                opened.reset();
            }
            return opened.send();
        }

        private void read(HttpClientResponse response) {
            if (response.statusCode() != 200) {
                response.request().reset();
                again(new IllegalStateException("status " + response.statusCode()));
                return;
            }
            RecordParser lines = RecordParser.newDelimited("\n", response).maxRecordSize(LONGEST_LINE_BYTES);
            lines.handler(this::line).exceptionHandler(error -> {
                response.request().reset();
                again(error);
            }).endHandler(end -> again(new IllegalStateException("it ended")));
        }

        private void line(Buffer line) {
            if (stopped || line.length() == 0) {
                return;
            }
            try {
                SidecarStatus status = json.readValue(line.getBytes(), SidecarStatus.class);
                pause = FIRST_PAUSE_MILLIS;
                // An address may belong to another pod by now.
                if (status.podUid().equals(podUid)) {
                    said.accept(status);
                }
            } catch (JsonProcessingException e) {
                LOG.warn("the sidecar of pod {} sent a line that is no status: {}", podUid, e.getOriginalMessage());
            } catch (IOException e) {
                throw new UncheckedIOException("reading from memory failed", e);
            }
        }

        /** Expected while the sidecar starts: the watch ends when nobody waits or the pod is gone. */
        private void again(Throwable why) {
            connected = null;
            if (stopped || pausing) {
                return; // One connection may end by an error and an end.
            }
            pausing = true;
            LOG.debug("the sidecar of pod {} is asked again in {} ms: {}", podUid, pause, why.getMessage());
            vertx.setTimer(pause, timer -> {
                pausing = false;
                connect();
            });
            pause = Math.min(pause * 2, LONGEST_PAUSE_MILLIS);
        }

        void stop() {
            stopped = true;
            if (connected != null) {
                connected.reset();
            }
        }
    }
}
