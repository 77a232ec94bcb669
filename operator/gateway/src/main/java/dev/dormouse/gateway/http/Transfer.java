package dev.dormouse.gateway.http;

import io.vertx.core.Promise;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpServerResponse;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Moves an engine's answer to the client as it comes, no faster than the client reads, and lets somebody look at it on its
 * way. What has come together is sent together: the chunks that one read from the engine's connection yields are one
 * write to the client's, at the end of the same turn of the event loop; nothing waits for more to come.
 */
final class Transfer {
    /** So much is not collected, but sent at once. */
    private static final int MOST_TOGETHER = 16 << 10;

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

    private final HttpClientResponse answer;
    private final HttpServerResponse response;
    private final Observer observer;
    private final Executor thisTurn;
    private final Promise<End> end = Promise.promise();
    /** Not sent yet; with something in it, {@link #send} is to be run in this turn. */
    private @Nullable Buffer together;
    private boolean several;

    private Transfer(HttpClientResponse answer, HttpServerResponse response, Observer observer, Executor thisTurn) {
        this.answer = answer;
        this.response = response;
        this.observer = observer;
        this.thisTurn = thisTurn;
    }

    /**
     * @param observer is shown everything before the client is
     * @param thisTurn runs what it is given when everything has been handled that the event loop has read
     * @param ended is told once; never, if the client goes away first
     */
    static void start(HttpClientResponse answer, HttpServerResponse response, Observer observer, Executor thisTurn,
            Consumer<End> ended) {
        Transfer transfer = new Transfer(answer, response, observer, thisTurn);
        transfer.end.future().onSuccess(ended::accept);
        response.drainHandler(drained -> answer.resume());
        answer.handler(transfer::piece);
        answer.exceptionHandler(transfer::brokenOff);
        answer.endHandler(done -> transfer.whole());
        answer.resume();
    }

    private void piece(Buffer piece) {
        observer.piece(piece);
        if (together == null) {
            thisTurn.execute(this::send);
        }
        together = joined(together, piece);
        if (together.length() >= MOST_TOGETHER) {
            send();
        }
    }

    /** A single piece is not copied; the buffer of several is our own. */
    private Buffer joined(@Nullable Buffer before, Buffer piece) {
        if (before == null) {
            several = false;
            return piece;
        }
        Buffer own = several ? before : Buffer.buffer(4 * before.length()).appendBuffer(before);
        several = true;
        return own.appendBuffer(piece);
    }

    private void send() {
        Buffer pieces = together;
        together = null;
        if (pieces == null || response.ended()) {
            return; // Sent already; or the request was cancelled in this very turn.
        }
        response.write(pieces).onFailure(gone -> {
            // The close handler has been told as well.
        });
        if (response.writeQueueFull()) {
            answer.pause();
        }
    }

    private void brokenOff(Throwable cause) {
        send();
        end.tryComplete(new End.BrokenOff(cause));
    }

    private void whole() {
        if (!answer.trailers().isEmpty()) {
            HopByHop.copyTrailers(answer.trailers(), response.trailers());
        }
        observer.whole();
        Buffer last = together;
        together = null;
        (last == null ? response.end() : response.end(last)).onSuccess(sent -> end.tryComplete(new End.Whole()));
    }
}
