package dev.dormouse.operator.modelsnapshot;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.operator.sidecar.SidecarAddress;
import dev.dormouse.sidecar.api.StoreTask;
import dev.dormouse.sidecar.api.VolumeListing;
import dev.dormouse.operator.log.LogKeys;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads what is on a volume from whoever mounts it, without holding up a reconcile: from a replica's sidecar, or from a
 * store pod when its task is done. Only reads, so it needs no token. Thread-safe.
 */
final class VolumeReader implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(VolumeReader.class);
    private static final Duration TIMEOUT = Duration.ofSeconds(10);
    private static final Duration POLL = Duration.ofMillis(200);

    private final SidecarAddress address;
    private final HttpClient http;
    private final ObjectMapper json = JsonMapper.builder()
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();
    /** UIDs of store pods that are asked over and over. */
    private final Set<String> asked = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    /** @param address where every sidecar listens */
    VolumeReader(SidecarAddress address) {
        this.address = address;
        this.http = address.client();
    }

    /** @param found called with what a replica's sidecar sees; not called when it does not answer */
    void list(String podIp, Consumer<VolumeListing> found) {
        var unused = get(podIp, "/v1/snapshots").thenApply(answer -> parse(answer, VolumeListing.class))
                .whenComplete((listing, e) -> {
                    if (e == null) {
                        found.accept(listing);
                    } else {
                        // The next change of its report asks again.
                        LOG.atInfo()
                                .addKeyValue(LogKeys.ADDRESS, podIp)
                                .addKeyValue(LogKeys.REASON, message(e))
                                .log("the sidecar did not list its volume");
                    }
                });
    }

    /** Asks a store pod until its task is done or {@link #forget} is called; asking twice is asking once. */
    void await(String podUid, String podIp, Consumer<StoreTask.Outcome> done) {
        if (asked.add(podUid)) {
            ask(podUid, podIp, done);
        }
    }

    void forget(String podUid) {
        asked.remove(podUid);
    }

    @Override
    public void close() {
        closed = true;
        http.shutdownNow();
    }

    private void ask(String podUid, String podIp, Consumer<StoreTask.Outcome> done) {
        if (closed || !asked.contains(podUid)) {
            return;
        }
        var unused = get(podIp, "/v1/task")
                .thenApply(answer -> answer.statusCode() == 202
                        ? Optional.<StoreTask.Outcome>empty()
                        : Optional.of(parse(answer, StoreTask.Outcome.class)))
                .whenComplete((outcome, e) -> {
                    if (e == null && outcome.isPresent()) {
                        done.accept(outcome.get());
                    } else {
                        // Not done yet, or not listening yet; the pod's own state tells when it has failed.
                        CompletableFuture.delayedExecutor(POLL.toMillis(), TimeUnit.MILLISECONDS)
                                .execute(() -> ask(podUid, podIp, done));
                    }
                });
    }

    private CompletableFuture<HttpResponse<String>> get(String podIp, String path) {
        return http.sendAsync(HttpRequest.newBuilder(address.of(podIp, path)).timeout(TIMEOUT).build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private <T> T parse(HttpResponse<String> answer, Class<T> type) {
        if (answer.statusCode() != 200) {
            throw new IllegalStateException(answer.uri() + " answered " + answer.statusCode());
        }
        try {
            return json.readValue(answer.body(), type);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(answer.uri() + " answered something else: " + e.getOriginalMessage(), e);
        }
    }

    private static @Nullable String message(Throwable e) {
        return e instanceof CompletionException && e.getCause() != null ? e.getCause().getMessage() : e.getMessage();
    }
}
