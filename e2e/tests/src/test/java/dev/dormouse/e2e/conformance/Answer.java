package dev.dormouse.e2e.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpHeaders;

/**
 * What came back over HTTP.
 *
 * @param body the parsed JSON or YAML; a text node for anything else
 * @param text the body as it came
 */
record Answer(int code, JsonNode body, String text, HttpHeaders headers) {
    JsonNode at(String pointer) {
        return body.at(pointer);
    }

    String contentType() {
        return headers.firstValue("Content-Type").orElse("");
    }

    /** All Warning headers, one a line. */
    String warnings() {
        return String.join("\n", headers.allValues("Warning"));
    }

    String version() {
        return at("/metadata/resourceVersion").asText();
    }

    @Override
    public String toString() {
        return code + " " + (text.length() > 2_000 ? text.substring(0, 2_000) + " …" : text);
    }
}
