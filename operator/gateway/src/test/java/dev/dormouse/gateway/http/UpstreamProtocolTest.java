package dev.dormouse.gateway.http;

import static dev.dormouse.gateway.http.FakeCluster.MODEL;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.gateway.route.PodRoute;
import io.vertx.core.MultiMap;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** An engine that speaks HTTP/2 without TLS, which its pod's annotation says. */
class UpstreamProtocolTest {
    private final FakeCluster cluster = new FakeCluster(1);
    private final Vertx vertx = Vertx.vertx();
    private final List<MultiMap> headers = new CopyOnWriteArrayList<>();
    private final List<HttpVersion> versions = new CopyOnWriteArrayList<>();
    private final AtomicInteger connections = new AtomicInteger();
    private final AtomicInteger resets = new AtomicInteger();
    private HttpServer engine;

    @BeforeEach
    void start() {
        engine = vertx.createHttpServer(new HttpServerOptions().setHost("127.0.0.1").setHttp2ClearTextEnabled(true))
                .connectionHandler(connection -> connections.incrementAndGet())
                .requestHandler(this::serve)
                .listen(0)
                .await();
        cluster.model(100);
        cluster.gateway.cluster()
                .podSeen(new PodRoute("p", MODEL, Optional.of("127.0.0.1"), engine.actualPort(), true, false, false, 1,
                        true));
    }

    @AfterEach
    void close() {
        cluster.close();
        vertx.close().await();
    }

    private void serve(HttpServerRequest request) {
        headers.add(request.headers());
        versions.add(request.version());
        switch (String.valueOf(request.path())) {
            case "/v1/hang" -> request.response()
                    .closeHandler(reset -> resets.incrementAndGet())
                    .setChunked(true)
                    .putHeader("Content-Type", "text/event-stream")
                    .write("data: 1\n\n");
            case "/v1/break" -> request.response()
                    .putHeader("Content-Type", "text/event-stream")
                    .write("data: 1\n\n")
                    .onComplete(sent -> request.response().reset());
            default -> request.body().onSuccess(body -> {
                request.response().putHeader("X-Engine", "h2").putTrailer("X-Trailer", "t");
                request.response().end(Buffer.buffer("got ").appendBuffer(body));
            });
        }
    }

    @Test
    @DisplayName("HTTP/2 to the engine: one connection carries many requests; no header of the client's connection passes")
    void requests() {
        cluster.ask("{\"model\":\"minilm\"}");
        List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            answers.add(cluster.askLater("{\"model\":\"minilm\",\"n\":" + i + "}"));
        }

        for (int i = 0; i < 50; i++) {
            HttpResponse<String> answer = answers.get(i).join();
            assertThat(answer.statusCode()).isEqualTo(200);
            assertThat(answer.body()).isEqualTo("got {\"model\":\"minilm\",\"n\":" + i + "}");
            assertThat(answer.headers().firstValue("x-engine")).contains("h2");
        }
        assertThat(versions).containsOnly(HttpVersion.HTTP_2);
        assertThat(connections).hasValue(1);
        assertThat(headers.getFirst().names()).doesNotContain("connection", "transfer-encoding", "upgrade");
        assertThat(headers.getFirst().get("x-forwarded-for")).isEqualTo("127.0.0.1");
    }

    @Test
    @DisplayName("A client that leaves a stream resets the engine's, and only that one")
    void clientLeaves() {
        HttpRequest hang = cluster.request("/v1/hang?model=minilm").build();
        CompletableFuture<HttpResponse<InputStream>> stream = cluster.http.sendAsync(hang,
                HttpResponse.BodyHandlers.ofInputStream());
        try (InputStream body = stream.join().body()) {
            assertThat(body.read()).isEqualTo('d');
        } catch (IOException e) {
            throw new AssertionError(e);
        }

        await().atMost(FakeCluster.PATIENCE).until(() -> resets.get() == 1);
        assertThat(cluster.ask("{\"model\":\"minilm\"}").statusCode()).isEqualTo(200);
        assertThat(connections).hasValue(1);
    }

    @Test
    @DisplayName("A stream that the engine resets ends with an error that the client sees, and other requests go on")
    void engineBreaksOff() {
        HttpRequest broken = cluster.request("/v1/break?model=minilm").build();

        HttpResponse<Stream<String>> answer = cluster.http
                .sendAsync(broken, HttpResponse.BodyHandlers.ofLines())
                .join();
        List<String> seen = new ArrayList<>();
        try {
            answer.body().forEach(seen::add);
        } catch (UncheckedIOException e) {
            seen.add("cut");
        }

        assertThat(seen).contains("data: 1", "cut").anyMatch(line -> line.contains("broke off its answer"));
        assertThat(cluster.ask("{\"model\":\"minilm\"}").statusCode()).isEqualTo(200);
    }
}
