package dev.dormouse.gateway.load;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** BL39: tokens, as engines report them. */
class UsageTailTest {

    private static Optional<Usage> read(String answer, int piece) {
        UsageTail tail = new UsageTail();
        byte[] bytes = answer.getBytes(StandardCharsets.UTF_8);
        for (int at = 0; at < bytes.length; at += piece) {
            int end = Math.min(bytes.length, at + piece);
            tail.seen(Arrays.copyOfRange(bytes, Math.max(at, end - UsageTail.LOOKED_AT), end));
        }
        return tail.read();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 7, 4095, 4096, 100_000})
    @DisplayName("The last usage of a long answer, however it is cut")
    void lastUsage(int piece) {
        String stream = "data: {\"usage\":null,\"choices\":[]}\n\n".repeat(400)
                + "data: {\"choices\":[],\"usage\" : {\"prompt_tokens\":12,\"completion_tokens\":34,\"total_tokens\":46,"
                + "\"prompt_tokens_details\":{\"cached_tokens\":5}}}\n\ndata: {\"usage\":null}\n\ndata: [DONE]\n\n";

        assertThat(read(stream, piece)).contains(new Usage(12, 34, 5));
    }

    @Test
    @DisplayName("Anthropic's names, answers without usage, and text that only speaks of it")
    void others() {
        assertThat(read("{\"usage\":{\"input_tokens\":3,\"output_tokens\":4}}", 10)).contains(new Usage(3, 4, 0));
        assertThat(read("{\"data\":[]}", 5)).isEmpty();
        assertThat(read("\"usage\" is a word", 5)).isEmpty();
        assertThat(read("{\"usage\":{broken", 5)).isEmpty();
    }
}
