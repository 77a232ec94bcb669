package dev.dormouse.cluster.soak;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.cluster.ServerProcess;
import dev.dormouse.cluster.ServerProcess.Connection;
import dev.dormouse.cluster.soak.Watcher.Habit;
import dev.dormouse.cluster.soak.Watcher.Seen;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code -Dsoak.writes=N} makes it long. The first half of the writes meets kills; in the second half one process lives on,
 * and its memory must not grow.
 */
class KilledServerTest {
    private static final long WRITES = Long.getLong("soak.writes", 1_000);
    private static final long KILLS = Math.max(2, WRITES / 25_000);
    private static final int WRITERS = 8;
    private static final int LOOKS = 100;
    /** A JVM takes memory for a while before it is warm: shorter runs say nothing about growth. */
    private static final long WARM = 200_000;
    private static final double GROWTH = 1.1;
    private static final long JOURNAL_LIMIT = 3 * (16L << 20);

    private final long seed = Long.getLong("soak.seed", System.nanoTime());
    private final Random random = new Random(seed);
    private final AtomicLong budget = new AtomicLong(WRITES);
    private final AtomicLong acknowledged = new AtomicLong();
    private final List<Long> resident = new ArrayList<>();
    private long largestJournal;

    @TempDir
    private Path folder;

    @Test
    void aServerKilledAtAnyMomentLosesNothingAcknowledgedAndWatchersSeeEverythingOnceInOrder() throws Exception {
        long begin = System.nanoTime();
        ServerProcess server = ServerProcess.start(folder, 0);
        try (Connection connection = server.connect(); ExecutorService threads = Executors.newCachedThreadPool()) {
            try {
                Map<Habit, Future<Seen>> watchers = new EnumMap<>(Habit.class);
                for (Habit habit : Habit.values()) {
                    watchers.put(habit, threads.submit(new Watcher(connection, habit, random.nextLong())));
                }
                List<Future<Map<String, Long>>> writers = IntStream.range(0, WRITERS)
                        .mapToObj(number -> threads
                                .submit(new Writer(connection, number, budget, acknowledged, random.nextLong())))
                        .toList();

                server = killAgainAndAgain(server,
                        Stream.concat(watchers.values().stream(), writers.stream()).toList());

                Map<String, Long> expected = new HashMap<>();
                for (Future<Map<String, Long>> writer : writers) {
                    expected.putAll(writer.get());
                }
                connection.send(connection.request(Written.PATH)
                        .POST(BodyPublishers.ofString(Written.body(Written.LAST, 0))));
                assertThat(listed(connection)).as("seed %d", seed).isEqualTo(expected);
                for (Map.Entry<Habit, Future<Seen>> watcher : watchers.entrySet()) {
                    Habit habit = watcher.getKey();
                    Seen seen = watcher.getValue().get(60, TimeUnit.SECONDS);
                    Map<String, Long> wanted = new HashMap<>(expected);
                    if (habit == Habit.SELECTIVE) {
                        wanted.values().removeIf(step -> step % 2 == 1);
                    }
                    assertThat(seen.objects()).as("%s, seed %d", habit, seed).isEqualTo(wanted);
                    System.out.printf("soak: %s watcher: %d events, %d lists, %d watches%n", habit, seen.events(),
                            seen.lists(), seen.watches());
                }
            } finally {
                threads.shutdownNow();
            }
        } finally {
            server.close();
        }
        long before = Collections.max(resident.subList(LOOKS / 2, LOOKS * 3 / 4));
        long after = Collections.max(resident.subList(LOOKS * 3 / 4, LOOKS));
        if (WRITES >= WARM) {
            assertThat((double) after).as("MiB resident: %s", resident).isLessThan(GROWTH * before);
        }
        assertThat(largestJournal).as("bytes of journal").isLessThan(JOURNAL_LIMIT);
        System.out.printf("soak: %d writes acknowledged, %d kills, %.0f s, journal at most %d MiB%n",
                acknowledged.get(), KILLS, (System.nanoTime() - begin) / 1e9, largestJournal >> 20);
        System.out.printf("soak: MiB resident in the second half at most %d, in its third quarter %d, in its last %d%n",
                Collections.max(resident), before, after);
    }

    /** Returns when the writers are done or somebody has failed; the server it returns lives. */
    private ServerProcess killAgainAndAgain(ServerProcess first, List<Future<?>> everybody) throws Exception {
        ServerProcess server = first;
        for (int kill = 1; kill <= KILLS; kill++) {
            long spacing = WRITES / 2 / KILLS;
            awaitWrites(spacing * (kill - 1) + 1 + random.nextLong(spacing), everybody);
            server.kill();
            server = ServerProcess.start(folder, first.port());
        }
        for (int look = 0; look < LOOKS; look++) {
            awaitWrites(WRITES / 2 + WRITES / 2 * look / LOOKS, everybody);
            look(server);
        }
        awaitWrites(Long.MAX_VALUE, everybody);
        return server;
    }

    /** Returns when so many are acknowledged, or nobody writes any more. */
    private void awaitWrites(long count, List<Future<?>> everybody) throws Exception {
        while (acknowledged.get() < count && budget.get() > 0) {
            throwFailureOf(everybody);
            Thread.sleep(5);
        }
    }

    private static void throwFailureOf(List<Future<?>> everybody) throws Exception {
        for (Future<?> each : everybody) {
            if (each.state() == Future.State.FAILED) {
                each.get();
            }
        }
    }

    private void look(ServerProcess server) throws Exception {
        resident.add(server.residentMegabytes());
        largestJournal = Math.max(largestJournal, Files.size(folder.resolve("journal")));
    }

    private static Map<String, Long> listed(Connection connection) throws Exception {
        Map<String, Long> found = new HashMap<>();
        JsonNode list = Written.JSON.readTree(connection.send(connection.request(Written.PATH
                + "?labelSelector=soak%3Dyes")));
        list.path("items").forEach(object -> found.put(Written.name(object), Written.step(object)));
        found.remove(Written.LAST);
        return found;
    }
}
