package dev.dormouse.gateway.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.pattern.Modality;
import dev.dormouse.domain.pattern.RequestSample.Traits;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RequestTraitsTest {

    private static Traits of(String body) {
        return RequestTraits.of(body.getBytes(StandardCharsets.UTF_8));
    }

    @ParameterizedTest
    @DisplayName("W47: inputs are counted; a list of tokens is one, and so is a conversation")
    @CsvSource(delimiter = '|', value = {"{\"model\":\"m\"}|1", "{\"input\":\"one\"}|1",
            "{\"input\":[\"a\",\"b\",\"c\"]}|3", "{\"input\":[1,2,3,4]}|1", "{\"input\":[[1,2],[3],[4,5]]}|3",
            "{\"prompt\":[\"a\",\"b\"]}|2", "{\"input\":[]}|1", "{\"documents\":[\"a\",\"b\",\"c\",\"d\"]}|4",
            "{\"input\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\",\"content\":\"b\"}]}|1",
            "{\"input\":[\"a\",\"b\"|2", "[1,2,3]|1", "{\"deep\":{\"input\":[\"a\",\"b\"]}}|1"})
    void batch(String body, int expected) {
        assertThat(of(body).batch()).isEqualTo(expected);
    }

    @ParameterizedTest
    @DisplayName("W48: only the body's own field says that it streams")
    @CsvSource(delimiter = '|', value = {"{\"stream\":true}|true", "{\"stream\":false}|false",
            "{\"stream\":\"true\"}|false",
            "{}|false", "{\"a\":{\"stream\":true}}|false", "{\"a\":[1,{\"b\":2}],\"stream\":true}|true",
            "nonsense|false"})
    void stream(String body, boolean expected) {
        assertThat(of(body).stream()).isEqualTo(expected);
    }

    @Test
    @DisplayName("W48, BL15: the parts of messages tell what a request is made of")
    void modalities() {
        assertThat(of("{\"messages\":[{\"content\":\"hi\"}]}").modalities()).containsExactly(Modality.Text);
        assertThat(
                of("""
                   {"messages":[{"role":"user","content":[{"type":"text","text":"what is this"},
                     {"type":"image_url","image_url":{"url":"data:..."}},{"type":"input_audio","input_audio":{}}]}]}""")
                        .modalities())
                .isEqualTo(Set.of(Modality.Text, Modality.Image, Modality.Audio));
        assertThat(of("{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\"}]}]}").modalities())
                .containsExactly(Modality.Image);
    }

    @ParameterizedTest
    @DisplayName("The purpose is the random half of the trace's id")
    @CsvSource({"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01, a3ce929d0e0e4736",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7, 0", "garbage, 0", ", 0"})
    void purpose(String header, String expected) {
        assertThat(RequestTraits.purpose(Optional.ofNullable(header).orElse("")))
                .isEqualTo(Long.parseUnsignedLong(expected, 16));
    }
}
