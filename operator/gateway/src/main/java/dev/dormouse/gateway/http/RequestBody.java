package dev.dormouse.gateway.http;

import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpServerRequest;
import java.util.function.Consumer;

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

    /**
     * Reads until the end or the limit. Reading as far as possible also lets the connection notice a client that
     * leaves: one that is not read from looks alive to some transports.
     *
     * @param progress runs whenever the client has sent something
     */
    static void peek(HttpServerRequest request, int limit, Runnable progress, Consumer<RequestBody> then) {
        RequestBody body = new RequestBody(request);
        request.handler(chunk -> {
            progress.run();
            body.beginning.appendBuffer(chunk);
            if (body.beginning.length() >= limit && !body.peeked) {
                request.pause();
                body.peeked(then);
            }
        });
        request.endHandler(end -> {
            body.complete = true;
            body.peeked(then);
        });
        // The other side of a broken connection: the response's close handler ends the exchange.
        request.exceptionHandler(error -> body.peeked = true);
    }

    /** One that nobody looks into. */
    static RequestBody unread(HttpServerRequest request) {
        return new RequestBody(request);
    }

    private void peeked(Consumer<RequestBody> then) {
        if (!peeked) {
            peeked = true;
            then.accept(this);
        }
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
            upstream.end(beginning).onFailure(lost -> {
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
        upstream.write(beginning);
        request.pipe().endOnFailure(false).to(upstream).onFailure(lost -> upstream.reset());
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
