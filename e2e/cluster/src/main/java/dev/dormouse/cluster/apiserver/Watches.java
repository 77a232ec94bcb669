package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Store.Change;
import dev.dormouse.cluster.apiserver.Store.Event;
import java.io.IOException;
import java.io.OutputStream;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Streams the changes of a resource. A watcher keeps only the version it has reached; what it gets comes from the store's
 * log, so a replay and a live watch are the same thing, and a slow watcher costs no memory: it is told to list again.
 */
final class Watches {
    private static final Duration BOOKMARK_INTERVAL = Duration.ofSeconds(15);
    private static final long DEFAULT_TIMEOUT_SECONDS = 30 * 60;

    private final Store store;

    Watches(Store store) {
        this.store = store;
    }

    /**
     * @param from the version after which changes are wanted; negative for the present objects first
     * @param selected which objects the watcher sees; one that stops matching is DELETED for it
     * @param rendering of an object in an event
     */
    Reply.Stream watch(ResourceType type, String namespace, long from, boolean bookmarks, long timeoutSeconds,
            Predicate<ApiObject> selected, Function<ApiObject, ObjectNode> rendering) {
        long seconds = timeoutSeconds > 0 ? timeoutSeconds : DEFAULT_TIMEOUT_SECONDS;
        return new Reply.Stream("application/json", out -> {
            long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
            long cursor = from;
            if (cursor < 0) {
                Store.Snapshot present = store.list(type.groupResource(), namespace);
                for (ApiObject object : present.objects()) {
                    if (selected.test(object)) {
                        write(out, "ADDED", rendering.apply(object));
                    }
                }
                cursor = present.version();
            }
            out.flush();
            follow(new Subscription(type, namespace, bookmarks, selected, rendering), cursor, end, out);
        });
    }

    private record Subscription(ResourceType type, String namespace, boolean bookmarks, Predicate<ApiObject> selected,
            Function<ApiObject, ObjectNode> rendering) {}

    private void follow(Subscription subscription, long from, long end, OutputStream out)
            throws IOException, InterruptedException {
        long cursor = from;
        while (System.nanoTime() < end) {
            Duration wait = Duration.ofNanos(Math.min(BOOKMARK_INTERVAL.toNanos(), end - System.nanoTime()));
            Store.Changes changes;
            try {
                changes = store.changesAfter(subscription.type().groupResource(), cursor, wait);
            } catch (ApiException e) {
                write(out, "ERROR", e.toStatus());
                return;
            }
            for (Event event : changes.events()) {
                deliver(event, subscription, out);
            }
            if (changes.events().isEmpty() && subscription.bookmarks()) {
                write(out, "BOOKMARK", bookmark(subscription.type(), changes.version()));
            }
            cursor = changes.version();
            out.flush();
        }
    }

    private static void deliver(Event event, Subscription to, OutputStream out) throws IOException {
        ApiObject object = event.object();
        if (!to.namespace().isEmpty() && !object.namespace().equals(to.namespace())) {
            return;
        }
        boolean now = event.change() != Change.DELETED && to.selected().test(object);
        boolean before = matched(event.previous(), to.selected());
        if (now || before) {
            String change = !now ? "DELETED" : before ? "MODIFIED" : "ADDED";
            write(out, change, to.rendering().apply(object));
        }
    }

    private static boolean matched(@Nullable ApiObject previous, Predicate<ApiObject> selected) {
        return previous != null && selected.test(previous);
    }

    private static ObjectNode bookmark(ResourceType type, long version) {
        ObjectNode object = Json.object().put("kind", type.kind()).put("apiVersion", type.apiVersion());
        object.putObject("metadata").put("resourceVersion", Long.toString(version)).putNull("creationTimestamp");
        return object;
    }

    private static void write(OutputStream out, String change, ObjectNode object) throws IOException {
        ObjectNode event = Json.object().put("type", change);
        event.set("object", object);
        out.write(Json.bytes(event));
        out.write('\n');
    }
}
