package dev.dormouse.gateway.http;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpServerRequest;

/**
 * A request's body: its beginning in memory, the rest still with the client. While a request waits, at most the peek
 * limit and one read buffer are kept of it. Forwarded byte for byte, but for its model's name.
 */
final class RequestBody {
    private final HttpServerRequest request;
    private Buffer beginning = Buffer.buffer();
    /** By how much it is longer than what the client sends. */
    private int longer;
    private boolean complete;
    private boolean peeked;

    private RequestBody(HttpServerRequest request) {
        this.request = request;
    }

    /** What becomes of it. */
    interface Reader {
        /** The client has sent something. */
        void heard();

        /** It is here, or as much of it as is looked into. Said once, unless {@link #tooMuch} is. */
        void peeked(RequestBody body);

        /** So much of other requests is in memory that there is no room for this one. */
        void tooMuch(RequestBody body);
    }

    /**
     * Reads until the end or the limit. Reading as far as possible also lets the connection notice a client that
     * leaves: one that is not read from looks alive to some transports.
     */
    static void peek(HttpServerRequest request, int limit, PeekBudget budget, Reader reader) {
        RequestBody body = new RequestBody(request);
        request.handler(chunk -> {
            reader.heard();
            if (!body.peeked && !budget.take(chunk.length())) {
                body.routed(budget);
                body.discard();
                reader.tooMuch(body);
                return;
            }
            body.beginning.appendBuffer(chunk);
            if (body.beginning.length() >= limit && !body.peeked) {
                request.pause();
                body.routed(budget);
                reader.peeked(body);
            }
        });
        request.endHandler(end -> {
            body.complete = true;
            if (!body.peeked) {
                body.routed(budget);
                reader.peeked(body);
            }
        });
        // The other side of a broken connection: the response's close handler ends the exchange.
        request.exceptionHandler(error -> {
            if (!body.peeked) {
                body.routed(budget);
            }
        });
    }

    private void routed(PeekBudget budget) {
        peeked = true;
        budget.giveBack(beginning.length());
    }

    /** One that nobody looks into. */
    static RequestBody unread(HttpServerRequest request) {
        return new RequestBody(request);
    }

    boolean complete() {
        return complete;
    }

    /** Kept in memory. */
    int bytes() {
        return beginning.length();
    }

    /** Its beginning is sent on in this form. */
    void replace(byte[] changed) {
        longer += changed.length - beginning.length();
        beginning = Buffer.buffer(changed);
    }

    byte[] beginning() {
        return beginning.getBytes();
    }

    /** Sends it with the framing the client chose, as far as the client has sent it, and then as the client sends. */
    void forward(HttpClientRequest upstream) {
        if (complete) {
            if (beginning.length() > 0 || request.getHeader("Content-Length") != null) {
                upstream.putHeader("Content-Length", Integer.toString(beginning.length()));
            }
            upstream.end(takeBeginning()).onFailure(lost -> {
                // The response fails with the same connection, and is where it is answered.
            });
            return;
        }
        String length = request.getHeader("Content-Length");
        if (length == null) {
            upstream.setChunked(true);
        } else {
            upstream.putHeader("Content-Length", Long.toString(Long.parseLong(length) + longer));
        }
        upstream.write(takeBeginning());
        request.pipe().endOnFailure(false).to(upstream).onFailure(lost -> upstream.reset());
    }

    /** What is sent need not be kept for as long as its answer takes. */
    private Buffer takeBeginning() {
        Buffer sent = beginning;
        beginning = Buffer.buffer(0);
        return sent;
    }

    /** Nobody wants the rest: it is read and dropped, so that the connection can carry the answer and a next request. */
    void discard() {
        if (!complete) {
            request.handler(chunk -> {
            }).endHandler(end -> {
            }).resume();
        }
    }
}
