package dev.dormouse.gateway.http;

import io.vertx.core.Future;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.net.NetSocket;
import java.util.Locale;

/** A connection that engine and client have agreed to use for something else, such as a WebSocket: bytes both ways. */
final class Tunnel {
    private static final int SWITCHING_PROTOCOLS = 101;

    private Tunnel() {}

    static boolean isWanted(HttpServerRequest request) {
        String upgrade = request.getHeader("Upgrade");
        return upgrade != null && upgrade.toLowerCase(Locale.ROOT).contains("websocket");
    }

    static boolean isGranted(HttpClientResponse answer) {
        return answer.statusCode() == SWITCHING_PROTOCOLS;
    }

    /** @return completes when either side has closed it */
    static Future<Void> open(HttpServerRequest request, HttpClientResponse answer) {
        HttpServerResponse response = request.response();
        response.headers().addAll(answer.headers());
        NetSocket engine = answer.netSocket();
        engine.pause();
        return request.toNetSocket().compose(client -> {
            Future<Void> down = engine.pipeTo(client);
            Future<Void> up = client.pipeTo(engine);
            engine.resume();
            return Future.any(down, up).<Void>mapEmpty().eventually(() -> {
                Future<Void> closed = client.close();
                return engine.close().compose(done -> closed);
            });
        });
    }
}
