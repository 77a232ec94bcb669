package dev.dormouse.sidecar.agent;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.dormouse.sidecar.api.StoreTask;
import dev.dormouse.sidecar.api.StoreTask.Outcome;
import dev.dormouse.sidecar.api.StoreTask.Verdict;
import dev.dormouse.sidecar.api.StoreTask.Verified;
import dev.dormouse.sidecar.api.VolumeListing;
import dev.dormouse.sidecar.http.StatusServer;
import dev.dormouse.sidecar.store.CollectOptions;
import dev.dormouse.sidecar.store.CollectReport;
import dev.dormouse.sidecar.store.Listing;
import dev.dormouse.sidecar.store.PruneReport;
import dev.dormouse.sidecar.store.Refusal;
import dev.dormouse.sidecar.store.RetentionPolicy;
import dev.dormouse.sidecar.store.Snapshot;
import dev.dormouse.sidecar.store.SnapshotStore;
import dev.dormouse.sidecar.store.VerifyReport;
import dev.dormouse.sidecar.trust.Trust;
import dev.dormouse.sidecar.trust.TrustException;
import dev.dormouse.sidecar.trust.TrustSettings;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The process of a store pod: carries one {@link StoreTask} out on a volume whose model may sleep, and answers {@code GET
 * /v1/task} with 202 until it is done and with the {@link Outcome} from then on, until the operator deletes the pod. It
 * changes nothing on request, so it needs no token.
 */
final class StorePod implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(StorePod.class);

    /** Each has two chunks in memory, and the container is small whatever machine it runs on. */
    private static final int MOST_READERS = 8;
    private static final int MOST_PROBLEMS = 3;

    private final JsonMapper json = JsonMapper.builder().build();
    private final HttpServer server;
    private volatile @Nullable Outcome outcome;

    private StorePod(HttpServer server) {
        this.server = server;
    }

    /**
     * @param tls folder with {@code tls.crt} and {@code tls.key}; absent: plain http
     * @throws IOException if the address cannot be bound, or the certificate is none
     */
    static StorePod listen(String address, int port, @Nullable Path tls) throws IOException {
        StorePod pod = new StorePod(StatusServer.bind(new InetSocketAddress(address, port), tls));
        pod.server.createContext("/livez", exchange -> answer(exchange, 200, "ok\n".getBytes()));
        pod.server.createContext("/v1/task", pod::answerTask);
        pod.server.start();
        return pod;
    }

    int port() {
        return server.getAddress().getPort();
    }

    /** Nothing signed, nothing encrypted. */
    Outcome carryOut(StoreTask task, Path volume, Clock clock) throws InterruptedException {
        return carryOut(task, volume, clock, Keys.of(TrustSettings.OFF));
    }

    /** Carries the task out, and shows how it went. What fails is told, and does not keep the rest from being done. */
    Outcome carryOut(StoreTask task, Path volume, Clock clock, Keys keys) throws InterruptedException {
        Work work = new Work(task, keys);
        Outcome done = work.on(volume, clock);
        LOG.info("store task done: {} pruned, {} bytes freed, errors {}", done.pruned(), done.freedBytes(),
                done.errors());
        outcome = done;
        return done;
    }

    @Override
    public void close() {
        server.stop(0);
    }

    private void answerTask(HttpExchange exchange) throws IOException {
        Outcome done = outcome;
        if (!exchange.getRequestMethod().equals("GET")) {
            answer(exchange, 405, new byte[0]);
        } else if (done == null) {
            answer(exchange, 202, "{}".getBytes());
        } else {
            answer(exchange, 200, json.writeValueAsBytes(done));
        }
    }

    private static void answer(HttpExchange exchange, int status, byte[] body) throws IOException {
        try (exchange) {
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
            try (OutputStream out = exchange.getResponseBody()) {
                out.write(body);
            }
        }
    }

    /** @throws IllegalArgumentException naming the variable when it is no task */
    static StoreTask parse(String text) {
        try {
            return JsonMapper.builder().build().readValue(text, StoreTask.class);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(
                    "DORMOUSE_STORE_TASK is not valid: it must be a task as the operator writes it: "
                            + e.getOriginalMessage(),
                    e);
        }
    }

    /**
     * The keys of the volume. A Secret that is gone must not keep bytes from being freed, which needs no keys; what does
     * need them is left and said.
     *
     * @param missing why they are not at hand; absent when they are, or none are needed
     */
    record Keys(Trust trust, @Nullable String missing) {
        static Keys of(TrustSettings settings) {
            try {
                return new Keys(Trust.load(settings), null);
            } catch (TrustException e) {
                return new Keys(Trust.OFF, e.getMessage());
            }
        }
    }

    private static final class Work {
        private final StoreTask task;
        private final Keys keys;
        private final List<Verified> verified = new ArrayList<>();
        private final List<String> errors = new ArrayList<>();
        private final List<String> pruned = new ArrayList<>();
        private Set<String> waitingFor = Set.of();
        private long freed;

        Work(StoreTask task, Keys keys) {
            this.task = task;
            this.keys = keys;
        }

        Outcome on(Path volume, Clock clock) throws InterruptedException {
            VolumeListing listing = VolumeListing.EMPTY;
            try {
                if (SnapshotStore.isVolume(volume)) {
                    SnapshotStore store = SnapshotStore.visit(volume, clock, keys.trust());
                    change(store);
                    prune(store);
                    task.verify().forEach((id, mark) -> verified.add(verify(store, id, mark)));
                    collect(store);
                    listing = listing(store.list());
                }
            } catch (IOException e) {
                throw new IllegalStateException("the volume cannot be read: " + e.getMessage(), e);
            }
            return new Outcome(pruned, freed, waitingFor, errors, listing, verified);
        }

        private void change(SnapshotStore store) {
            task.pin().forEach(id -> attempt("pin " + id, () -> store.pin(id, true)));
            task.unpin().forEach(id -> attempt("unpin " + id, () -> store.pin(id, false)));
            task.delete().forEach(id -> attempt("delete " + id, () -> store.delete(id)));
        }

        private void prune(SnapshotStore store) {
            boolean wanted = task.maxAgeSeconds() != null || task.maxSnapshots() > 0 || task.maxBytes() > 0;
            if (wanted && keys.missing() != null) {
                // Without keys a forgery might count as the newest one, and an honest one go in its place.
                errors.add("prune: " + keys.missing());
                return;
            }
            Duration maxAge = task.maxAgeSeconds() == null ? null : Duration.ofSeconds(task.maxAgeSeconds());
            attempt("prune", () -> {
                PruneReport report = store.prune(new RetentionPolicy(maxAge, task.maxSnapshots(), task.maxBytes()));
                report.deleted().forEach(expiry -> pruned.add(expiry.id()));
                report.failed().forEach(refusal -> errors.add("prune " + refusal.id() + ": " + refusal.message()));
            });
        }

        private Verified verify(SnapshotStore store, String id, String mark) {
            if (keys.missing() != null) {
                return unknown(id, mark, keys.missing());
            }
            try {
                VerifyReport report = store.verify(id,
                        Math.min(MOST_READERS, Runtime.getRuntime().availableProcessors()));
                Optional<Refusal> damage = report.damage();
                if (damage.isPresent()) {
                    store.quarantine(id, damage.get().reason(), damage.get().message());
                }
                Verdict verdict = report.intact()
                        ? Verdict.Intact
                        : damage.isPresent() ? Verdict.Damaged : Verdict.Failed;
                return new Verified(id, mark, verdict, report.chunks(), report.rawBytes(),
                        report.problems()
                                .stream()
                                .limit(MOST_PROBLEMS)
                                .map(problem -> problem.reason() + ": " + problem.message())
                                .toList());
            } catch (NoSuchFileException e) {
                return unknown(id, mark, "there is no such snapshot on the volume");
            } catch (IOException | IllegalArgumentException e) {
                return unknown(id, mark, String.valueOf(e.getMessage()));
            }
        }

        private static Verified unknown(String id, String mark, String why) {
            return new Verified(id, mark, Verdict.Failed, 0, 0, List.of(why));
        }

        private void collect(SnapshotStore store) throws InterruptedException {
            try {
                CollectReport report = store.collect(new CollectOptions(Duration.ofSeconds(task.settleSeconds()),
                        Duration.ofSeconds(task.patienceSeconds()), task.gonePods()));
                freed = report.freedBytes();
                waitingFor = report.waitingFor().stream().map(Work::pod).collect(Collectors.toUnmodifiableSet());
                report.refused()
                        .forEach(id -> errors.add("snapshot " + id
                                + " is of a newer version: nothing is collected beside it"));
            } catch (IOException e) {
                errors.add("collect: " + e.getMessage());
            }
        }

        /** @param intent {@code <snapshot>~<pod uid>~…} */
        private static String pod(String intent) {
            String[] parts = intent.split("~", -1);
            return parts.length > 1 ? parts[1] : intent;
        }

        private interface Step {
            void run() throws IOException;
        }

        private void attempt(String what, Step step) {
            try {
                step.run();
            } catch (NoSuchFileException e) {
                // It is gone already, as was wanted or as the listing will tell.
                LOG.info("{}: there is no such snapshot", what);
            } catch (IOException | IllegalArgumentException e) {
                errors.add(what + ": " + e.getMessage());
            }
        }
    }

    private static VolumeListing listing(Listing found) {
        return new VolumeListing(found.snapshots().stream().map(StorePod::entry).toList(),
                found.refused()
                        .stream()
                        .map(refusal -> new VolumeListing.Refused(refusal.id(), refusal.reason(), refusal.message()))
                        .toList());
    }

    private static VolumeListing.Entry entry(Snapshot snapshot) {
        return new VolumeListing.Entry(snapshot.id(), snapshot.key(), snapshot.createdAt().toString(),
                snapshot.rawBytes(), snapshot.storedBytes(), snapshot.manifest().weightsDigest(),
                snapshot.compatibility(), snapshot.buffers().size(), snapshot.files().size(), snapshot.pinned());
    }
}
