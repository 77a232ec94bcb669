package dev.dormouse.sidecar.agent;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.api.EngineMessage.Probe;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class WarmupRequestTest {

    @Test
    @DisplayName("H6, H67: a request has as many items as the batch size says")
    void theItemIsRepeatedInAnArray() throws RefusedException {
        assertThat(body("{\"input\":\"@batch\"}", "\"hi\"", 3)).isEqualTo("{\"input\":[\"hi\",\"hi\",\"hi\"]}");
        assertThat(body("{\"input\":\"@batch\"}", "\"hi\"", 1)).isEqualTo("{\"input\":[\"hi\"]}");
        assertThat(body("{\"input\":\"@batch\"}", "{\"ids\":[1]}", 2))
                .isEqualTo("{\"input\":[{\"ids\":[1]},{\"ids\":[1]}]}");
    }

    @Test
    void anItemThatIsNotJsonIsText() throws RefusedException {
        assertThat(body("{\"input\":\"@batch\"}", "say \"hi\"", 1)).isEqualTo("{\"input\":[\"say \\\"hi\\\"\"]}");
        assertThat(body("\"@batch\"", "12 mice", 1)).isEqualTo("[\"12 mice\"]");
    }

    @Test
    void aBodyWithoutAPlaceForItemsIsSentAsItIs() throws RefusedException {
        assertThat(body("{\"prompt\":\"mail me @batch\"}", "x", 9)).isEqualTo("{\"prompt\":\"mail me @batch\"}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "v1/x", "http://elsewhere/", "/a b", "/a\r\nHost: x"})
    void aPathThatIsNoneIsRefused(String path) {
        assertThatThrownBy(() -> WarmupRequest.of(new Probe(path, "{}", ""), 1)).isInstanceOf(RefusedException.class);
    }

    @Test
    void aRequestThatWouldBecomeEnormousIsRefused() {
        assertThatThrownBy(() -> body("\"@batch\"", "\"" + "x".repeat(10_000) + "\"", 4096))
                .isInstanceOf(RefusedException.class)
                .hasMessageContaining("4096 items");
    }

    private static String body(String body, String item, int batch) throws RefusedException {
        return new String(WarmupRequest.of(new Probe("/v1/x", body, item), batch).body(), UTF_8);
    }
}
