package dev.dormouse.domain.hold;

import dev.dormouse.domain.fleet.ModelKey;

/** What the gateway must do next. Every request gets exactly one {@link Grant} or {@link Reject}, or was cancelled. */
public sealed interface Effect {

    /** Send the request to this replica. */
    record Grant(long request, String pod) implements Effect {}

    /** Answer the request with an error. */
    record Reject(long request, Reason reason) implements Effect {}

    /** Somebody waits for a model that has no replica with room: say that it is wanted. */
    record Demand(ModelKey model) implements Effect {}

    enum Reason {
        /** 404 */
        UnknownModel,
        /** 429 */
        OverLimit,
        /** 503: too many wait already, or keep too much memory */
        QueueFull,
        /** 504 */
        DeadlineExceeded,
        /** 503: the model sleeps, and this request may not or cannot wait so long */
        Waking,
        /** 503: the wake it waited for failed, or one failed just now */
        WakeFailed,
        /** 503: the model was told to sleep */
        Unloaded,
        /** 503 */
        ShuttingDown
    }
}
