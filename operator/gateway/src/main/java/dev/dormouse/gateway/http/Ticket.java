package dev.dormouse.gateway.http;

import dev.dormouse.gateway.load.RequestTrace;
import dev.dormouse.gateway.route.PodRoute;
import java.util.Optional;

/** A request that waits for a decision, or runs, as the {@link Dispatcher} sees it. */
interface Ticket {
    /** Go to this replica. */
    void granted(PodRoute pod);

    /** Still held; told about every second. @param position in the model's queue; 1 is next */
    void waiting(Progress progress, int position);

    /** End with this error. */
    void rejected(OpenAiError error);

    /** Somebody else wants it ended, wherever it is. */
    void cancelled();

    RequestTrace trace();

    /** By which others continue its distributed trace, if it has one. */
    Optional<String> traceparent();
}
