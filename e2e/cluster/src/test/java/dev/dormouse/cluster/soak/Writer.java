package dev.dormouse.cluster.soak;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.cluster.ServerProcess.Connection;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Creates, changes and deletes objects that nobody else touches, and knows of each what must be there. A write whose answer
 * never came may have happened or not; anything else is a loss.
 */
final class Writer implements Callable<Map<String, Long>> {
    private static final int NAMES = 40;
    private static final Duration RETRY = Duration.ofMillis(20);

    private final Connection server;
    private final AtomicLong budget;
    private final AtomicLong acknowledged;
    private final Random random;
    private final List<String> names;
    /** Name to step of what exists. */
    private final Map<String, Long> present = new HashMap<>();
    /** Name to the last step there was. */
    private final Map<String, Long> steps = new HashMap<>();
    private long newest;

    /**
     * @param budget how many writes all writers together still make
     * @param acknowledged counts those that were answered
     */
    Writer(Connection server, int number, AtomicLong budget, AtomicLong acknowledged, long seed) {
        this.server = server;
        this.budget = budget;
        this.acknowledged = acknowledged;
        this.random = new Random(seed + number);
        this.names = IntStream.range(0, NAMES).mapToObj(i -> "w" + number + "-" + i).toList();
    }

    /** @return name to step of what must exist in the end */
    @Override
    public Map<String, Long> call() throws InterruptedException {
        while (budget.getAndDecrement() > 0) {
            String name = names.get(random.nextInt(NAMES));
            boolean exists = present.containsKey(name);
            if (exists && random.nextInt(8) == 0) {
                delete(name);
            } else {
                long step = steps.getOrDefault(name, 0L) + 1;
                write(name, step, exists);
            }
        }
        return present;
    }

    private void write(String name, long step, boolean exists) throws InterruptedException {
        String body = Written.body(name, step);
        HttpRequest.Builder request = exists
                ? server.request(Written.PATH + "/" + name).PUT(BodyPublishers.ofString(body))
                : server.request(Written.PATH).POST(BodyPublishers.ofString(body));
        try {
            note(Written.version(send(request)));
            now(name, step);
        } catch (IOException _) { // the server was killed
            settle(name, step, false);
        }
    }

    private void delete(String name) throws InterruptedException {
        try {
            send(server.request(Written.PATH + "/" + name).DELETE());
            present.remove(name);
            acknowledged.incrementAndGet();
        } catch (IOException _) { // the server was killed
            settle(name, steps.getOrDefault(name, 0L), true);
        }
    }

    private void now(String name, long step) {
        present.put(name, step);
        steps.put(name, step);
        acknowledged.incrementAndGet();
    }

    private void note(long version) {
        if (version <= newest) {
            throw new AssertionError("version " + version + " came after " + newest + ": it went back");
        }
        newest = version;
    }

    /** What has become of a write without an answer: done, or not done. */
    private void settle(String name, long attempted, boolean deleted) throws InterruptedException {
        Long before = present.get(name);
        Long after = deleted ? null : Long.valueOf(attempted);
        Long found = read(name);
        if (!Objects.equals(found, before) && !Objects.equals(found, after)) {
            throw new AssertionError("%s is at step %s after a restart; acknowledged was %s, then tried %s"
                    .formatted(name, found, before, after));
        }
        if (found == null) {
            present.remove(name);
        } else {
            present.put(name, found);
            steps.put(name, found);
        }
    }

    /** The step of what is there now, asked until there is an answer; null when there is nothing. */
    private @Nullable Long read(String name) throws InterruptedException {
        while (true) {
            try {
                HttpResponse<byte[]> answer = server.http()
                        .send(server.request(Written.PATH + "/" + name).build(), BodyHandlers.ofByteArray());
                return answer.statusCode() == 404 ? null : Written.step(checked(answer));
            } catch (IOException _) { // not up again yet
                Thread.sleep(RETRY);
            }
        }
    }

    private JsonNode send(HttpRequest.Builder request) throws IOException, InterruptedException {
        return checked(server.http().send(request.build(), BodyHandlers.ofByteArray()));
    }

    private static JsonNode checked(HttpResponse<byte[]> answer) throws IOException {
        if (answer.statusCode() > 299) {
            throw new AssertionError(answer.statusCode() + " " + new String(answer.body(),
                    StandardCharsets.UTF_8));
        }
        return Written.JSON.readTree(answer.body());
    }
}
