package dev.dormouse.cluster.apiserver;

import dev.dormouse.cluster.apiserver.Store.Change;
import dev.dormouse.cluster.apiserver.Store.Event;
import java.util.List;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What reacts to changes on its own, like kube-controller-manager: one thread, fed by the store. When it cannot keep up it
 * looks at everything once instead of queueing without bound.
 */
final class Controllers {
    private static final Logger LOG = LoggerFactory.getLogger(Controllers.class);
    private static final Event LOOK_AT_EVERYTHING = new Event(Change.MODIFIED, "", new ApiObject(Json.object()), null,
            0);

    private final BlockingQueue<Event> changes = new ArrayBlockingQueue<>(10_000);

    interface Controller {

        /** There is an object, new, changed or perhaps neither: called at least once for each state that lasts. */
        void changed(String resource, ApiObject object);

        default void deleted(@SuppressWarnings("unused") String resource,
                @SuppressWarnings("unused") ApiObject object) {}
    }

    /** Called by the store under its lock: never waits. */
    void note(Event event) {
        if (!changes.offer(event)) {
            changes.clear();
            changes.add(LOOK_AT_EVERYTHING);
        }
    }

    /** Works until the thread is interrupted. */
    void run(Store store, ResourceTypes types, List<Controller> controllers) {
        try {
            while (true) {
                Event event = changes.take();
                if (event == LOOK_AT_EVERYTHING) {
                    for (ResourceType type : types.all()) {
                        String resource = type.groupResource();
                        store.list(resource, "")
                                .objects()
                                .forEach(object -> react(controllers,
                                        new Event(Change.MODIFIED, resource, object, null, 0)));
                    }
                } else {
                    react(controllers, event);
                }
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt(); // the server stops
        }
    }

    private static void react(List<Controller> controllers, Event event) {
        for (Controller controller : controllers) {
            try {
                if (event.change() == Change.DELETED) {
                    controller.deleted(event.resource(), event.object());
                } else {
                    controller.changed(event.resource(), event.object());
                }
            } catch (RuntimeException e) { // a controller must outlive one object it cannot deal with
                LOG.atError()
                        .addKeyValue("controller", controller.getClass().getSimpleName())
                        .addKeyValue("resource", event.resource())
                        .addKeyValue("name", event.object().name())
                        .setCause(e)
                        .log("reaction failed");
            }
        }
    }
}
