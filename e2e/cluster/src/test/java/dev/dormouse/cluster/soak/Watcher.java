package dev.dormouse.cluster.soak;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.cluster.ServerProcess.Connection;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;

/**
 * Lists and watches as an informer does, and checks every event against the one before it: none lost, none twice, none
 * out of order. When the server says that a version is too old, it lists again, and nothing in that list may be older than
 * what it has seen.
 */
final class Watcher implements Callable<Watcher.Seen> {
    private static final Duration RETRY = Duration.ofMillis(20);

    /** How a watcher differs from the next. */
    enum Habit {
        /** Watches as long as it can. */
        STEADY(""),
        /** Leaves every few hundred events, and comes back with the version it has reached. */
        LEAVING(""),
        /** Watches objects with an even step only: each write makes one enter or leave. */
        SELECTIVE("%2Cturn%3D0");

        private final String selector;

        Habit(String selector) {
            this.selector = selector;
        }
    }

    /** @param objects name to step at the end */
    record Seen(Map<String, Long> objects, long events, int lists, int watches) {}

    private final Connection server;
    private final Habit habit;
    private final Random random;
    private final Map<String, Long> present = new HashMap<>();
    /** Name to the last step seen, of what is gone, too. */
    private final Map<String, Long> steps = new HashMap<>();
    /** Names whose history since the last list is known without a gap. */
    private final Set<String> followed = new HashSet<>();
    private long version;
    private boolean listed;
    private boolean done;
    private long events;
    private int lists;
    private int watches;

    Watcher(Connection server, Habit habit, long seed) {
        this.server = server;
        this.habit = habit;
        this.random = new Random(seed);
    }

    @Override
    public Seen call() throws InterruptedException {
        while (!done) {
            try {
                if (!listed) {
                    list();
                }
                watch();
            } catch (IOException _) { // the server was killed
                Thread.sleep(RETRY);
            }
        }
        present.remove(Written.LAST);
        return new Seen(present, events, lists, watches);
    }

    private String path() {
        return Written.PATH + "?labelSelector=soak%3Dyes" + habit.selector;
    }

    private void list() throws IOException, InterruptedException {
        JsonNode list = Written.JSON.readTree(server.send(server.request(path())));
        reached(Written.version(list) + 1); // the version of the last event seen is not older than the list's
        version = Written.version(list);
        present.clear();
        followed.clear();
        for (JsonNode object : list.path("items")) {
            String name = Written.name(object);
            long step = Written.step(object);
            if (step < steps.getOrDefault(name, 0L)) {
                throw wrong("the list has step " + step + " of " + name + ", seen was " + steps.get(name));
            }
            present.put(name, step);
            steps.put(name, step);
            followed.add(name);
        }
        done = present.containsKey(Written.LAST);
        listed = true;
        lists++;
    }

    private void watch() throws IOException, InterruptedException {
        HttpResponse<InputStream> answer = server.http()
                .send(server.request(path() + "&watch=true&allowWatchBookmarks=true&resourceVersion=" + version)
                        .build(), BodyHandlers.ofInputStream());
        watches++;
        int leaveAfter = habit == Habit.LEAVING ? 1 + random.nextInt(500) : Integer.MAX_VALUE;
        try (var lines = new BufferedReader(new InputStreamReader(answer.body(), StandardCharsets.UTF_8))) {
            for (int read = 0; read < leaveAfter && !done && listed; read++) {
                String line = lines.readLine();
                if (line == null || !line.endsWith("}")) {
                    return; // ended, perhaps within a line
                }
                see(Written.JSON.readTree(line));
            }
        }
    }

    private void see(JsonNode event) {
        JsonNode object = event.path("object");
        String type = event.path("type").asText();
        if (type.equals("ERROR")) {
            if (object.path("code").asInt() != 410) {
                throw wrong("error " + object);
            }
            listed = false;
            return;
        }
        if (type.equals("BOOKMARK")) {
            reached(Written.version(object) + 1);
            version = Written.version(object);
            return;
        }
        reached(Written.version(object));
        version = Written.version(object);
        events++;
        follow(type, Written.name(object), Written.step(object));
        done = Written.name(object).equals(Written.LAST);
    }

    private void reached(long next) {
        if (next <= version) {
            throw wrong("version " + next + " after " + version);
        }
    }

    private void follow(String type, String name, long step) {
        boolean was = present.containsKey(name);
        if (was == type.equals("ADDED")) {
            throw wrong(type + " of " + name + ", which was " + (was ? "" : "not ") + "there");
        }
        long before = steps.getOrDefault(name, 0L);
        if (type.equals("DELETED")) {
            // The object as it was, or, for a selection, as it was when it left.
            boolean left = habit == Habit.SELECTIVE && step == before + 1;
            if (step != before && !left) {
                throw wrong("deletion of " + name + " at step " + step + ", last was " + before);
            }
            present.remove(name);
        } else {
            long expected = habit == Habit.SELECTIVE ? before / 2 * 2 + 2 : before + 1;
            boolean gapless = followed.contains(name) || lists == 1;
            if (gapless ? step != expected && !name.equals(Written.LAST) : step < before) {
                throw wrong(type + " of " + name + " at step " + step + ", last was " + before);
            }
            present.put(name, step);
        }
        steps.put(name, step);
        followed.add(name);
    }

    private AssertionError wrong(String what) {
        return new AssertionError(habit + " watcher at version " + version + ": " + what);
    }
}
