package dev.dormouse.e2e.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.e2e.conformance.CaseFile.Step;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Carries out the steps of a case: asks, compares, remembers. */
final class Conversation {
    private static final Pattern VARIABLE = Pattern.compile("\\$([a-z][a-z0-9]*)");
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final Map<String, String> TYPES = Map.of("json", Api.JSON, "yaml", Api.YAML, "merge", Api.MERGE,
            "json-patch", Api.JSON_PATCH, "strategic", Api.STRATEGIC, "apply", Api.APPLY);

    private final Api api;
    private final Map<String, String> variables = new HashMap<>();

    Conversation(Api api, String namespace) {
        this.api = api;
        variables.put("ns", namespace);
        variables.put("core", "/api/v1/namespaces/" + namespace);
        variables.put("widgets", "/apis/" + Widgets.GROUP + "/v1/namespaces/" + namespace + "/widgets");
    }

    void carryOut(Step step) {
        if (step.eventually()) {
            await(step.request()).atMost(PATIENCE)
                    .pollInterval(Duration.ofMillis(20))
                    .untilAsserted(() -> exchange(step));
        } else {
            exchange(step);
        }
    }

    private void exchange(Step step) {
        String[] words = step.request().split(" ", 2);
        Answer answer = api.send(words[0], path(words[1]), headers(step), body(step));
        if (step.code() == null) {
            assertThat(answer.code()).as("%s → %s", step.request(), answer).isLessThan(300);
        } else {
            assertThat(answer.code()).as("%s → %s", step.request(), answer).isEqualTo(step.code());
        }
        if (step.answer() != null) {
            Optional<String> mismatch = Expectation.mismatch(substituted(step.answer()), answer.body());
            assertThat(mismatch).as("%s → %s", step.request(), answer).isEmpty();
        }
        if (step.text() != null) {
            assertThat(answer.text()).as(step.request()).contains(substituted(step.text()));
        }
        if (step.contentType() != null) {
            assertThat(answer.contentType()).as(step.request()).contains(step.contentType());
        }
        if (step.warning() != null) {
            if (step.warning().isEmpty()) {
                assertThat(answer.warnings()).as("warnings of %s", step.request()).isEmpty();
            }
            assertThat(answer.warnings()).as("warnings of %s", step.request()).contains(step.warning());
        }
        if (step.save() != null) {
            step.save().forEach((name, pointer) -> variables.put(name, answer.at(pointer).asText()));
        }
    }

    private Map<String, String> headers(Step step) {
        Map<String, String> headers = new HashMap<>();
        headers.put("User-Agent", "conformance/1");
        if (step.body() != null) {
            String type = step.type() == null ? "json" : step.type();
            headers.put("Content-Type", TYPES.getOrDefault(type, type));
        }
        if (step.accept() != null) {
            headers.put("Accept", step.accept());
        }
        if (step.as() != null) {
            headers.put("Authorization", "Bearer " + substituted(step.as()));
        }
        return headers;
    }

    private byte[] body(Step step) {
        JsonNode body = step.body();
        if (body == null) {
            return new byte[0];
        }
        String text = body.isTextual() ? body.asText() : body.toString();
        return substituted(text).getBytes(StandardCharsets.UTF_8);
    }

    private String path(String pathAndQuery) {
        String text = substituted(pathAndQuery);
        int question = text.indexOf('?');
        if (question < 0) {
            return text;
        }
        return text.substring(0, question) + "?" + Arrays.stream(text.substring(question + 1).split("&"))
                .map(Conversation::encoded)
                .collect(Collectors.joining("&"));
    }

    private static String encoded(String parameter) {
        int equals = parameter.indexOf('=');
        return equals < 0
                ? parameter
                : parameter.substring(0, equals + 1)
                        + URLEncoder.encode(parameter.substring(equals + 1), StandardCharsets.UTF_8);
    }

    private JsonNode substituted(JsonNode document) {
        try {
            return Api.MAPPER.readTree(substituted(document.toString()));
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            throw new IllegalArgumentException("variables break " + document, e);
        }
    }

    /** Names that nothing was saved under stay: {@code $patch} and {@code $setElementOrder} are not ours. */
    private String substituted(String text) {
        return VARIABLE.matcher(text)
                .replaceAll(match -> Matcher.quoteReplacement(variables.getOrDefault(match.group(1), match.group())));
    }
}
