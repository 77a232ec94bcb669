package dev.dormouse.e2e.conformance;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A file of cases about one subject, {@code conformance/api/*.yaml}. Each case is a conversation with the server in a
 * namespace of its own.
 */
record CaseFile(String subject, List<Case> cases) {

    /**
     * @param source where Kubernetes says so, when it is not obvious
     * @param needs {@code cluster-scope} when the case writes outside its namespace; on a cluster that is not ours it does
     *     not run
     */
    record Case(String name, @Nullable String source, @Nullable String needs, List<Step> steps) {}

    /**
     * A request and what must come back.
     *
     * @param request method, path and query; {@code $core}, {@code $widgets} and {@code $ns} stand for the URLs and the name
     *     of the case's namespace, other {@code $names} for what earlier steps saved; values of the query are encoded
     * @param body a document, or a text sent as it is
     * @param type of the body, short: {@code json} (the default), {@code merge}, {@code json-patch}, {@code strategic},
     *     {@code apply}, {@code yaml}, or any media type
     * @param as a saved token to send instead of the kubeconfig's
     * @param code of the answer; without one, any below 300
     * @param answer what the answer's document must hold, see {@link Expectation}
     * @param text what the answer must contain
     * @param warning what its Warning headers must contain; empty: there is none
     * @param save variable to JSON pointer into the answer
     * @param eventually whether to ask again until it is so, because a controller has to act first
     */
    record Step(String request, @Nullable JsonNode body, @Nullable String type, @Nullable String accept,
            @Nullable String as, @Nullable Integer code, @Nullable JsonNode answer, @Nullable String text,
            @Nullable String warning, @JsonProperty("content-type") @Nullable String contentType,
            @Nullable Map<String, String> save, boolean eventually) {}

    static CaseFile read(Path file) {
        try {
            String name = file.getFileName().toString();
            List<Case> cases = Api.YAML_MAPPER.readValue(Files.readString(file), new TypeReference<>() {
            });
            return new CaseFile(name.substring(0, name.indexOf('.')), cases);
        } catch (IOException e) {
            throw new UncheckedIOException("case file " + file + ": " + e.getMessage(), e);
        }
    }
}
