package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.OutputStream;

/** What the server answers. */
sealed interface Reply {

    record Document(int code, JsonNode body, String contentType) implements Reply {}

    /** Written as it comes; each flush reaches the client. */
    record Stream(String contentType, Body body) implements Reply {}

    /** 200 without a body. */
    record Empty() implements Reply {}

    interface Body {
        void writeTo(OutputStream out) throws IOException, InterruptedException;
    }

    static Document json(int code, JsonNode body) {
        return new Document(code, body, "application/json");
    }
}
