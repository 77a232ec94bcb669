package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.vertx.core.Future;
import io.vertx.core.http.HttpServerResponse;

/**
 * The stream of server-sent events that a client is given while its model wakes: a comment per second, which every
 * parser skips and every proxy takes for life, and in a chat a line of {@code reasoning_content} whenever the wake has
 * reached another phase. The engine's own events follow; an error takes their place as an event, because the status has
 * been sent.
 */
final class WakeStream {
    static final String EVENTS = "text/event-stream";
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpServerResponse response;
    private final String model;
    private final boolean chat;
    private boolean begun;
    private String told = "";

    /**
     * @param model as the client called it
     * @param chat whether the client knows {@code reasoning_content}
     */
    WakeStream(HttpServerResponse response, String model, boolean chat) {
        this.response = response;
        this.model = model;
        this.chat = chat;
    }

    boolean begun() {
        return begun;
    }

    void tell(Progress progress, int position) {
        if (!begun) {
            begun = true;
            response.setStatusCode(200)
                    .putHeader("Content-Type", EVENTS)
                    .putHeader("Cache-Control", "no-cache")
                    .putHeader("X-Accel-Buffering", "no")
                    .putHeader("X-Dormouse-Wake", progress.header())
                    .setChunked(true);
        }
        if (response.writeQueueFull()) {
            return; // A client that does not read needs no news.
        }
        write(": dormouse " + progress.fields(position) + "\n\n");
        if (chat && !progress.phase().equals(told)) {
            told = progress.phase();
            write("data: " + thought(progress.sentence(position) + "\n") + "\n\n");
        }
    }

    private void write(String events) {
        response.write(events).onFailure(gone -> {
            // The close handler has been told as well.
        });
    }

    private String thought(String text) {
        ObjectNode chunk = JSON.createObjectNode()
                .put("id", "dormouse-wake")
                .put("object", "chat.completion.chunk")
                .put("created", 0)
                .put("model", model);
        ObjectNode choice = chunk.putArray("choices").addObject().put("index", 0);
        choice.putObject("delta").put("role", "assistant").put("reasoning_content", text);
        choice.putNull("finish_reason");
        try {
            return JSON.writeValueAsString(chunk);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of strings could not be written", e);
        }
    }

    /** @param error a JSON object, on one line */
    Future<Void> fail(String error) {
        return response.end("data: " + error.replace("\r", "").replace("\n", " ") + "\n\n");
    }
}
