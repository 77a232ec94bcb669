package dev.dormouse.gateway.http;

import io.vertx.core.Promise;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpServerResponse;
import java.util.function.Consumer;

/**
 * Moves an engine's answer to the client as it comes, no faster than the client reads, and lets somebody look at it on its
 * way.
 */
final class Transfer {

    /** How it ended, if the client did not break it off. */
    sealed interface End {
        /** All of it, trailers included, has been handed to the client's connection. */
        record Whole() implements End {}

        /** The engine broke off. */
        record BrokenOff(Throwable cause) implements End {}
    }

    /** Looks at an answer on its way. */
    interface Observer {
        /** A part of the body. */
        void piece(Buffer piece);

        /** There is no more. */
        void whole();
    }

    private Transfer() {}

    /**
     * @param observer is shown everything before the client is
     * @param ended is told once; never, if the client goes away first
     */
    static void start(HttpClientResponse answer, HttpServerResponse response, Observer observer,
            Consumer<End> ended) {
        Promise<End> end = Promise.promise();
        end.future().onSuccess(ended::accept);
        response.drainHandler(drained -> answer.resume());
        answer.handler(piece -> {
            observer.piece(piece);
            response.write(piece).onFailure(gone -> {
                // The close handler has been told as well.
            });
            if (response.writeQueueFull()) {
                answer.pause();
            }
        });
        answer.exceptionHandler(error -> end.tryComplete(new End.BrokenOff(error)));
        answer.endHandler(done -> {
            if (!answer.trailers().isEmpty()) {
                HopByHop.copyTrailers(answer.trailers(), response.trailers());
            }
            observer.whole();
            response.end().onSuccess(sent -> end.tryComplete(new End.Whole()));
        });
        answer.resume();
    }
}
