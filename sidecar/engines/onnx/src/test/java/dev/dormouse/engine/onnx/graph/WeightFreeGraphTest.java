package dev.dormouse.engine.onnx.graph;

import static dev.dormouse.engine.onnx.graph.OnnxBytes.bytes;
import static dev.dormouse.engine.onnx.graph.OnnxBytes.input;
import static dev.dormouse.engine.onnx.graph.OnnxBytes.message;
import static dev.dormouse.engine.onnx.graph.OnnxBytes.model;
import static dev.dormouse.engine.onnx.graph.OnnxBytes.segment;
import static dev.dormouse.engine.onnx.graph.OnnxBytes.tensor;
import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class WeightFreeGraphTest {
    private static final int FLOAT = 1;
    private static final int UINT32 = 12;

    @Test
    void largeWeightsAreTakenOutAndKnownByNameTypeAndShape() throws IOException {
        byte[] large = noise(4 * 2 * 200, 1);

        WeightFreeGraph parts = WeightFreeGraph.of(segment(model(8, List.of(input("input_ids")),
                tensor("matrix", FLOAT, List.of(2L, 200L), large), tensor("bias", FLOAT, List.of(2L), noise(8, 2)))));

        assertThat(parts.weights()).singleElement().satisfies(weight -> {
            assertThat(weight.name()).isEqualTo("matrix");
            assertThat(weight.type()).isEqualTo(ElementType.F32);
            assertThat(weight.shape()).containsExactly(2L, 200L);
            assertThat(bytes(weight.data())).isEqualTo(large);
        });
        assertThat(new String(parts.graph(), ISO_8859_1)).contains("producer", "a node", "matrix", "location", "bias")
                .contains(new String(noise(8, 2), ISO_8859_1))
                .doesNotContain(new String(Arrays.copyOf(large, 64), ISO_8859_1));
    }

    @Test
    void aGraphWithoutLargeWeightsStaysWhatItIs() throws IOException {
        byte[] small = model(8, List.of(input("x")), tensor("bias", FLOAT, List.of(2L), noise(8, 2)));

        WeightFreeGraph parts = WeightFreeGraph.of(segment(small));

        assertThat(parts.weights()).isEmpty();
        assertThat(parts.graph()).isEqualTo(small);
    }

    @Test
    void weightsThatACallerMayOverrideOrThatJavaCannotPassStayInTheGraph() throws IOException {
        byte[] overridable = model(3, List.of(input("w")), tensor("w", FLOAT, List.of(300L), noise(1200, 1)));
        byte[] unknown = model(8, List.of(), tensor("w", UINT32, List.of(300L), noise(1200, 1)));

        assertThat(WeightFreeGraph.of(segment(overridable)).weights()).isEmpty();
        assertThat(WeightFreeGraph.of(segment(overridable)).graph()).isEqualTo(overridable);
        assertThat(WeightFreeGraph.of(segment(unknown)).weights()).isEmpty();
    }

    @Test
    void whatIsNoModelIsRefused() {
        byte[] whole = model(8, List.of(), tensor("w", FLOAT, List.of(300L), noise(1200, 1)));
        byte[] lying = model(8, List.of(), tensor("w", FLOAT, List.of(301L), noise(1200, 1)));
        byte[] elsewhere = model(8, List.of(), message(out -> {
            out.writeString(8, "w");
            out.writeByteArray(13, "location".getBytes(UTF_8));
        }));

        assertThatThrownBy(() -> WeightFreeGraph.of(segment("{\"not\":\"onnx\"}".getBytes(UTF_8))))
                .isInstanceOf(IOException.class);
        assertThatThrownBy(() -> WeightFreeGraph.of(segment(new byte[0]))).hasMessageContaining("no graph");
        assertThatThrownBy(() -> WeightFreeGraph.of(segment(Arrays.copyOf(whole, whole.length - 5))))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("damaged");
        assertThatThrownBy(() -> WeightFreeGraph.of(segment(lying))).hasMessageContaining("Weight w of shape [301]");
        assertThatThrownBy(() -> WeightFreeGraph.of(segment(elsewhere))).hasMessageContaining("external data");
    }

    private static byte[] noise(int length, int seed) {
        byte[] noise = new byte[length];
        new Random(seed).nextBytes(noise);
        return noise;
    }
}
