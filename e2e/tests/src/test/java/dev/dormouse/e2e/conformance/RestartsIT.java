package dev.dormouse.e2e.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.cluster.EmbeddedControlPlane;
import dev.dormouse.e2e.conformance.Api.Watch;
import dev.dormouse.e2e.conformance.Api.Watch.Event;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Writers count upwards, each in an object of its own, while the control plane goes away and comes back at random. Watchers
 * follow as informers do: they list, watch, and list again when told that their version is forgotten. Within a watch every
 * count is the one before plus one, so nothing is lost, repeated or out of order; no list goes back; and whatever was
 * acknowledged is there after every start.
 *
 * <p>{@code -Dsoak.writes} says how many writes there are; {@code e2e/soak/run} raises it.
 */
class RestartsIT {
    private static final int WRITES = Integer.getInteger("soak.writes", 1_500);
    private static final int WRITERS = 6;
    private static final int WATCHERS = 4;
    private static final int RESTARTS = 5;
    private static final long GOAL = WRITES / WRITERS;
    private static final String MAPS = "/api/v1/namespaces/default/configmaps";
    private static final String WRITTEN = "?labelSelector=counter";

    @Test
    void noEventIsLostRepeatedOrOutOfOrderWhileTheControlPlaneRestarts(@TempDir Path state) throws Exception {
        AtomicLong written = new AtomicLong();
        try (Plane plane = new Plane(state); ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Follower> followers = IntStream.range(0, WATCHERS).mapToObj(_ -> new Follower()).toList();
            List<Future<?>> running = new ArrayList<>();
            followers.forEach(follower -> running.add(threads.submit(() -> follower.follow(plane))));
            for (int i = 0; i < WRITERS; i++) {
                Writer writer = new Writer("counter-" + i, written);
                running.add(threads.submit(() -> writer.count(plane)));
            }
            Random random = new Random(17);
            for (int i = 1; i <= RESTARTS; i++) {
                long next = (long) WRITES * i / (RESTARTS + 1) + random.nextInt(50);
                while (written.get() < next && running.stream().anyMatch(each -> !each.isDone())) {
                    throwFailure(running);
                    Thread.yield();
                }
                plane.restart();
                System.out.printf("%,d writes, restart %d, heap %,d KiB%n", written.get(), i, heapKib());
            }
            while (running.stream().anyMatch(each -> !each.isDone())) {
                throwFailure(running);
                Thread.yield();
            }
            throwFailure(running);
            System.out.printf("%,d writes, %d restarts; events and lists of each watcher: %s%n", written.get(),
                    RESTARTS,
                    followers.stream().map(each -> each.events + " and " + each.lists).toList());
        }
    }

    /** One failure ends the test: the others would wait for ever for what the failed one was to write. */
    private static void throwFailure(List<Future<?>> running) {
        running.stream().filter(each -> each.state() == Future.State.FAILED).findFirst().ifPresent(failed -> {
            running.forEach(each -> each.cancel(true));
            throw new AssertionError("a writer or a watcher failed: " + failed.exceptionNow(), failed.exceptionNow());
        });
    }

    private static long heapKib() {
        System.gc();
        Runtime runtime = Runtime.getRuntime();
        return (runtime.totalMemory() - runtime.freeMemory()) / 1024;
    }

    /** The control plane of the moment; while it restarts, who asks for it waits. */
    private static final class Plane implements AutoCloseable {
        private final Path state;
        private final ReentrantReadWriteLock up = new ReentrantReadWriteLock();
        private final List<Api> clients = new ArrayList<>();
        private EmbeddedControlPlane server;
        private Api api;

        Plane(Path state) {
            this.state = state;
            this.server = EmbeddedControlPlane.start(state);
            this.api = Api.of(server.kubeconfig());
            clients.add(api);
        }

        Api api() {
            up.readLock().lock();
            try {
                return api;
            } finally {
                up.readLock().unlock();
            }
        }

        void restart() {
            up.writeLock().lock();
            try {
                int port = server.apiUrl().getPort();
                server.close(); // requests under way end with their connections
                server = EmbeddedControlPlane.start(state, port);
                api = Api.of(server.kubeconfig());
                clients.add(api);
            } finally {
                up.writeLock().unlock();
            }
        }

        @Override
        public void close() {
            server.close();
            clients.forEach(Api::close);
        }
    }

    /** Counts in one object, which is nobody else's. */
    private static final class Writer {
        private final String name;
        private final AtomicLong written;
        private long acknowledged;

        Writer(String name, AtomicLong written) {
            this.name = name;
            this.written = written;
        }

        void count(Plane plane) {
            while (acknowledged < GOAL && !Thread.currentThread().isInterrupted()) {
                try {
                    count(plane.api());
                } catch (IllegalStateException _) {
                    // The server went away: whether the last write arrived is seen when it is back.
                    Thread.yield();
                }
            }
        }

        private void count(Api api) {
            Answer stored = api.get(MAPS + "/" + name);
            if (stored.code() == 404) {
                assertThat(acknowledged).as("%s is there", name).isZero();
                stored = api.post(MAPS, body(0, ""));
                assertThat(stored.code()).as(stored.toString()).isEqualTo(201);
            }
            long count = stored.at("/data/count").asLong();
            assertThat(count).as("%s after a restart", name).isBetween(acknowledged, acknowledged + 1);
            acknowledged = count;
            while (acknowledged < GOAL) {
                stored = api.send("PUT", MAPS + "/" + name, Map.of("Content-Type", Api.JSON),
                        body(acknowledged + 1, stored.version()));
                assertThat(stored.code()).as(stored.toString()).isEqualTo(200);
                acknowledged++;
                written.incrementAndGet();
            }
        }

        private String body(long count, String version) {
            return """
                   {"apiVersion": "v1", "kind": "ConfigMap", "data": {"count": "%d"},
                    "metadata": {"name": "%s", "resourceVersion": "%s", "labels": {"counter": ""}}}"""
                    .formatted(count, name, version);
        }
    }

    /** What one watcher knows: the last count of every object, and the version it has reached. */
    private static final class Follower {
        private final Map<String, Long> counts = new HashMap<>();
        private String version = "";
        private long events;
        private long lists;

        void follow(Plane plane) {
            while (!ended() && !Thread.currentThread().isInterrupted()) {
                try {
                    Api api = plane.api();
                    if (version.isEmpty()) {
                        list(api);
                    }
                    watch(api);
                } catch (UncheckedIOException | IllegalStateException _) {
                    Thread.yield(); // the server went away; what was seen counts
                }
            }
        }

        private boolean ended() {
            return counts.size() == WRITERS && counts.values().stream().allMatch(count -> count == GOAL);
        }

        /** A list may jump ahead, and never goes back. */
        private void list(Api api) {
            Answer answer = api.get(MAPS + WRITTEN);
            assertThat(answer.code()).isEqualTo(200);
            answer.at("/items").forEach(item -> {
                String name = item.at("/metadata/name").asText();
                long count = item.at("/data/count").asLong();
                assertThat(count).as(name).isGreaterThanOrEqualTo(counts.getOrDefault(name, 0L));
                counts.put(name, count);
            });
            version = answer.version();
            lists++;
        }

        private void watch(Api api) {
            try (Watch watch = api.watch(MAPS + WRITTEN + "&watch=true&resourceVersion=" + version)) {
                while (!ended()) {
                    Event event = watch.next();
                    if (event == null) {
                        return;
                    }
                    if (event.type().equals("ERROR")) {
                        assertThat(event.object().at("/code").asInt()).isEqualTo(410);
                        version = "";
                        return;
                    }
                    take(event);
                }
            }
        }

        private void take(Event event) {
            long count = event.object().at("/data/count").asLong();
            assertThat(count).as("the event of %s after %s", event.name(), counts.get(event.name()))
                    .isEqualTo(counts.getOrDefault(event.name(), -1L) + 1);
            assertThat(event.version()).isGreaterThan(Long.parseLong(version));
            counts.put(event.name(), count);
            version = Long.toString(event.version());
            events++;
        }
    }
}
