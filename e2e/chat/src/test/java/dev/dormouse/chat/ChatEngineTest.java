package dev.dormouse.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** BL53: a model server that does as it is told. */
class ChatEngineTest {
    private final HttpClient http = HttpClient.newHttpClient();
    private final ChatEngine engine = start(ChatSettings.of("chat"));

    private static ChatEngine start(ChatSettings settings) {
        try {
            return new ChatEngine(settings, "127.0.0.1", 0, Clock.systemUTC());
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @AfterEach
    void close() {
        engine.close();
        http.shutdownNow();
    }

    private HttpRequest.Builder post(ChatEngine to, String path, String body) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + to.port() + path))
                .POST(HttpRequest.BodyPublishers.ofString(body));
    }

    private HttpResponse<String> ask(String path, String body, String... fault) throws Exception {
        HttpRequest.Builder request = post(engine, path, body);
        if (fault.length > 0) {
            request.header("X-Fault", fault[0]);
        }
        return http.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    @Test
    @DisplayName("Answers whole or streamed, chat or completion, with usage")
    void answers() throws Exception {
        assertThat(ask("/v1/completions", "{\"model\":\"chat\",\"prompt\":\"a b\",\"max_tokens\":2}").body())
                .contains("\"text\":\"the dormouse \"")
                .contains("\"completion_tokens\":2");
        String stream = ask("/v1/chat/completions",
                """
                {"model":"chat","stream":true,"max_tokens":3,"stream_options":{"include_usage":true},
                 "messages":[{"role":"user","content":"a b c"}]}""").body();
        assertThat(stream.split("\n\n")).hasSize(5);
        assertThat(stream).contains("\"content\":\"dormouse \"")
                .contains("\"completion_tokens\":3")
                .endsWith("data: [DONE]\n\n");
        assertThat(ask("/v1/completions", "{\"model\":\"other\"}").statusCode()).isEqualTo(404);
    }

    @Test
    @DisplayName("Fails as it is asked to")
    void faults() throws Exception {
        String body = "{\"model\":\"chat\",\"stream\":true,\"max_tokens\":4}";
        assertThat(ask("/v1/chat/completions", body, "ServerError").statusCode()).isEqualTo(500);
        assertThat(ask("/v1/chat/completions", body, "badEvent").body()).contains("data: {\"choices\":[\n\n");
        assertThat(ask("/v1/chat/completions", body, "nonsense").body()).contains("Stall, Reset");
        assertThatThrownBy(() -> ask("/v1/chat/completions", body, "Reset")).isInstanceOf(IOException.class);

        HttpResponse<InputStream> stalled = http.send(
                post(engine, "/v1/chat/completions", body).header("X-Fault", "Stall").build(),
                HttpResponse.BodyHandlers.ofInputStream());
        StringBuilder read = new StringBuilder();
        while (!read.toString().contains("dormouse")) {
            read.append(new String(stalled.body().readNBytes(1), StandardCharsets.UTF_8));
        }
        await().atMost(Duration.ofSeconds(20)).until(() -> engine.active() == 1);
    }

    @Test
    @DisplayName("Is not ready while it loads")
    void loads() throws Exception {
        try (ChatEngine slow = start(new ChatSettings("chat", Duration.ofMillis(400), 1, 0, Fault.None))) {
            HttpRequest health = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + slow.port() + "/health"))
                    .build();
            assertThat(http.send(health, HttpResponse.BodyHandlers.ofString()).statusCode()).isEqualTo(503);
            await().atMost(Duration.ofSeconds(20))
                    .until(() -> http.send(health, HttpResponse.BodyHandlers.ofString()).statusCode() == 200);
        }
    }
}
