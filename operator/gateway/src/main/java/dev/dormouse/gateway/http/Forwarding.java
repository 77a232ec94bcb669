package dev.dormouse.gateway.http;

import dev.dormouse.gateway.http.ErrorBody.Problem;
import dev.dormouse.gateway.route.Endpoint;
import io.vertx.core.Future;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.http.RequestOptions;

/** One request to one replica and its answer back, streamed both ways with back-pressure. */
final class Forwarding {
    private final DataPlane plane;
    private final HttpClient client;
    private final ClientRequest request;
    private final Endpoint endpoint;

    Forwarding(DataPlane plane, HttpClient client, ClientRequest request, Endpoint endpoint) {
        this.plane = plane;
        this.client = client;
        this.request = request;
        this.endpoint = endpoint;
    }

    void start() {
        RequestOptions options = new RequestOptions().setMethod(request.request.method())
                .setHost(endpoint.ip())
                .setPort(endpoint.enginePort())
                .setURI(request.uri);
        client.request(options).onSuccess(this::send).onFailure(this::notConnected);
    }

    /** Nothing went out: the request may wait for another replica. */
    private void notConnected(Throwable cause) {
        if (!request.done) {
            plane.unreachable(request, endpoint.uid());
        }
    }

    private void send(HttpClientRequest upstream) {
        if (request.done) {
            upstream.reset();
            return;
        }
        request.upstream = upstream;
        HttpServerRequest from = request.request;
        Headers.copyEndToEnd(from.headers(), upstream.headers());
        upstream.headers().remove("Host");
        upstream.putHeader("X-Forwarded-Host", String.valueOf(from.authority()));
        upstream.putHeader("X-Forwarded-For", from.remoteAddress().hostAddress());
        upstream.putHeader("X-Forwarded-Proto", "http");
        if (!from.headers().contains("Content-Length")) {
            upstream.setChunked(true);
        }
        upstream.response().onSuccess(this::answer).onFailure(this::broken);
        if (request.bodyRead) {
            upstream.end(request.head).onFailure(this::broken);
        } else {
            upstream.write(request.head).onFailure(this::broken);
            from.pipeTo(upstream).onFailure(this::broken);
        }
    }

    private void answer(HttpClientResponse from) {
        if (request.done) {
            return;
        }
        HttpServerResponse to = request.request.response();
        to.setStatusCode(from.statusCode()).setStatusMessage(from.statusMessage());
        Headers.copyEndToEnd(from.headers(), to.headers());
        if (request.waited) {
            to.putHeader("X-Dormouse-Wake", plane.wakeHeader(request, endpoint));
        }
        if (!from.headers().contains("Content-Length")) {
            to.setChunked(true);
        }
        Future<Void> piped = from.pipe().endOnFailure(false).to(to);
        piped.onSuccess(done -> plane.ended(request, from.statusCode())).onFailure(this::broken);
    }

    /** The replica failed after it may have seen the request: the client is told, or sees its stream end abruptly. */
    private void broken(Throwable cause) {
        if (request.done) {
            return;
        }
        HttpServerResponse to = request.request.response();
        if (to.headWritten()) {
            to.reset();
        } else {
            ErrorBody.send(to, new Problem(502, "server_error", "upstream_failed",
                    "the model's replica broke off: " + cause.getMessage(), 0));
        }
        plane.ended(request, 502);
    }
}
