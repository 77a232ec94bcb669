package dev.dormouse.gateway.http;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelFieldTest {

    private static ModelField all(String body) {
        return ModelField.in("application/json", body.getBytes(StandardCharsets.UTF_8), true);
    }

    private static ModelField beginning(byte[] body, int length) {
        return ModelField.in("", Arrays.copyOf(body, length), false);
    }

    @Test
    void everyBeginningOfAGoodBodyMayBecomeOne() {
        byte[] body = ("{\"t\":0.75,\"s\":true,\"u\":null,\"f\":false,\"n\":-1.5e+10,\"a\":[1 , {\"model\":\"no\"}],"
                + "\"é\":\"\\u00e9\",\"mod\\u0065l\":\"m/\\u00e9\",\"t\":0.75,\"s\":true,\"u\":null}")
                .getBytes(StandardCharsets.UTF_8);
        int named = new String(body, StandardCharsets.UTF_8).indexOf("\"m/") + "\"m/\\u00e9\"".length() + 1;
        for (int length = 0; length <= body.length; length++) {
            assertThat(beginning(body, length)).as("the first %d bytes", length)
                    .isEqualTo(length < named ? new ModelField.NotYet() : new ModelField.Named("m/é"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"", " \n", "{}", "{\"input\":{\"model\":\"nested\"}}", "{\"models\":\"a\"}"})
    void aBodyMayNameNone(String body) {
        assertThat(all(body)).isEqualTo(new ModelField.Missing());
    }

    @Test
    void anObjectThatEndsWithinTheBeginningNamesNone() {
        byte[] body = "{\"input\":1}   ".getBytes(StandardCharsets.UTF_8);

        assertThat(beginning(body, body.length)).isEqualTo(new ModelField.Missing());
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
                                                                  []                   | the body must be a JSON object
                                                                  "model"              | the body must be a JSON object
                                                                  {"model":1}          | "model" must be a string
                                                                  {"model":null}       | "model" must be a string
                                                                  {"model":{}}         | "model" must be a string
                                                                  {"model":"a"} {}     | there is something after the JSON object
                                                                  {"secret" "prompt"}  | the body is not valid JSON (line 1, column 11)
                                                                  {"a":tru}            | the body is not valid JSON (line 1, column 6)
                                                                  {"a":1               | the body is not valid JSON (line 1, column 7)
                                                                  {"model":"a          | the body is not valid JSON (line 1, column 12)
                                                                  {"model":"a",}       | the body is not valid JSON (line 1, column 14)
                                                                  """)
    void aBadBodyIsToldWhereNotWhat(String body, String problem) {
        assertThat(all(body)).isEqualTo(new ModelField.Malformed(problem));
    }
}
