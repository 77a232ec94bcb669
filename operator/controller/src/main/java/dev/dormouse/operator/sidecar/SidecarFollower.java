package dev.dormouse.operator.sidecar;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.operator.log.LogKeys;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Follows the sidecar of every live pod by one long-lived {@code GET /status?watch=true} each, keeps the last report per
 * pod and says which model it changed. Decides nothing. One virtual thread per pod; thread-safe.
 */
public final class SidecarFollower implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(SidecarFollower.class);
    private static final Duration FIRST_PAUSE = Duration.ofMillis(20);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(1);
    /** A sidecar writes at least every 10 s: one that is silent for longer is not there any more. */
    private static final Duration SILENCE = Duration.ofSeconds(30);

    private final SidecarAddress address;
    private final Consumer<ModelKey> changed;
    private final HttpClient http;
    private final ObjectMapper json = JsonMapper.builder()
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();
    /** By pod UID. */
    private final Map<String, Following> followed = new ConcurrentHashMap<>();
    private final Map<ModelKey, Set<String>> podsOf = new ConcurrentHashMap<>();

    /**
     * @param address where every sidecar listens
     * @param changed called after each new report, on a thread that must not be held up
     */
    public SidecarFollower(SidecarAddress address, Consumer<ModelKey> changed) {
        this.address = address;
        this.http = address.client();
        this.changed = changed;
    }

    /** Begins to follow a pod; nothing happens if it is followed already. */
    public void follow(String podUid, String podIp, ModelKey model) {
        podsOf.computeIfAbsent(model, key -> ConcurrentHashMap.newKeySet()).add(podUid);
        followed.computeIfAbsent(podUid, uid -> new Following(uid, podIp, model)).start();
    }

    /** Forgets every pod of a model except these. */
    public void retain(ModelKey model, Set<String> podUids) {
        Set<String> its = podsOf.getOrDefault(model, Set.of());
        for (String podUid : Set.copyOf(its)) {
            Following following = followed.get(podUid);
            if (!podUids.contains(podUid)) {
                its.remove(podUid);
                if (following != null) {
                    following.stop();
                }
            }
        }
        podsOf.computeIfPresent(model, (key, left) -> left.isEmpty() ? null : left);
    }

    /** The last report of a pod's sidecar, if it ever sent one. */
    public Optional<SidecarStatus> report(String podUid) {
        Following following = followed.get(podUid);
        return following == null ? Optional.empty() : Optional.ofNullable(following.last);
    }

    @Override
    public void close() {
        followed.values().forEach(Following::stop);
        http.shutdownNow();
    }

    private final class Following implements Flow.Subscriber<String> {
        private final String podUid;
        private final ModelKey model;
        private final URI uri;
        private final Thread thread;
        private volatile @Nullable SidecarStatus last;
        private volatile long heardAtNanos;
        private volatile boolean stopped;

        Following(String podUid, String podIp, ModelKey model) {
            this.podUid = podUid;
            this.model = model;
            this.uri = address.of(podIp, "/status?watch=true");
            this.thread = Thread.ofVirtual().name("follow-" + podUid).unstarted(this::run);
        }

        void start() {
            synchronized (thread) {
                if (thread.getState() == Thread.State.NEW) {
                    thread.start();
                }
            }
        }

        void stop() {
            stopped = true;
            followed.remove(podUid, this);
            thread.interrupt();
        }

        private void run() {
            Duration pause = FIRST_PAUSE;
            try {
                while (!stopped) {
                    long before = heardAtNanos;
                    readUntilItEnds();
                    boolean heard = heardAtNanos != before;
                    pause = heard ? FIRST_PAUSE : min(pause.multipliedBy(2), LONGEST_PAUSE);
                    Thread.sleep(pause);
                }
            } catch (InterruptedException e) {
                LOG.debug("no longer following {}", uri);
            }
        }

        private void readUntilItEnds() throws InterruptedException {
            HttpRequest request = HttpRequest.newBuilder(uri).timeout(SILENCE).build();
            long openedAt = System.nanoTime();
            CompletableFuture<HttpResponse<Void>> exchange = http.sendAsync(request,
                    HttpResponse.BodyHandlers.fromLineSubscriber(this));
            try {
                while (true) {
                    try {
                        exchange.get(SILENCE.toMillis(), TimeUnit.MILLISECONDS);
                        return;
                    } catch (TimeoutException e) {
                        long lastSign = Math.max(heardAtNanos, openedAt);
                        if (System.nanoTime() - lastSign >= SILENCE.toNanos()) {
                            LOG.debug("{} is silent", uri);
                            return;
                        }
                    }
                }
            } catch (ExecutionException e) {
                // Expected while the sidecar starts and after it ends; the pod's own state says which.
                LOG.trace("{}: {}", uri, e.getMessage());
            } finally {
                exchange.cancel(true);
            }
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            subscription.request(Long.MAX_VALUE);
        }

        @Override
        public void onNext(String line) {
            if (line.isBlank() || stopped) {
                return;
            }
            try {
                SidecarStatus status = json.readValue(line, SidecarStatus.class);
                heardAtNanos = System.nanoTime();
                // An address may belong to another pod by now.
                if (status.podUid().equals(podUid) && !status.equals(last)) {
                    last = status;
                    changed.accept(model);
                }
            } catch (JsonProcessingException e) {
                LOG.atWarn()
                        .addKeyValue(LogKeys.MODEL, model)
                        .addKeyValue(LogKeys.ADDRESS, uri)
                        .addKeyValue(LogKeys.REASON, e.getOriginalMessage())
                        .log("a sidecar sent a line that is no status");
            }
        }

        @Override
        public void onError(Throwable error) {
            // The exchange completes with the same error.
        }

        @Override
        public void onComplete() {
            // The exchange completes.
        }
    }

    private static Duration min(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }
}
