package dev.dormouse.engine.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.dormouse.sidecar.api.BufferType;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The real model, taken apart and served from memory that is not ONNX Runtime's. */
class EmbeddingSessionTest {
    private static final String SENTENCE = "A dormouse sleeps for seven months.";

    @TempDir
    static Path folder;

    private static Tokenizer tokenizer;
    private static EmbeddingSession plain;

    @BeforeAll
    static void open() throws IOException {
        NativeLibraries.use();
        tokenizer = new Tokenizer(Files.readAllBytes(ModelFiles.TOKENIZER));
        plain = EmbeddingSession.plain(ModelFiles.ONNX);
    }

    @AfterAll
    static void close() throws IOException {
        plain.close();
        tokenizer.close();
    }

    @Test
    @DisplayName("A session over the optimized graph and foreign memory answers as one over the original file, to the last bit")
    void foreignMemoryAnswersTheSame() throws IOException {
        Path optimized = folder.resolve("optimized.onnx");
        EmbeddingSession.optimize(ModelFiles.ONNX, optimized);
        OnnxGraph parts = OnnxGraph.read(optimized);
        assertThat(parts.graph().length).isLessThan(200_000);
        assertThat(parts.weights()).hasSizeGreaterThan(80);
        List<BufferMeta> buffers = new ArrayList<>();
        try (Arena arena = Arena.ofShared()) {
            List<MemorySegment> memory = new ArrayList<>();
            for (OnnxGraph.Weight weight : parts.weights()) {
                MemorySegment segment = arena.allocate(weight.bytes().size(), 64);
                weight.bytes().copyTo(segment.asByteBuffer());
                buffers.add(new BufferMeta(weight.name(), memory.size(), 0, weight.bytes().size(), BufferType.Weights,
                        weight.dtype().label(), weight.shape(), false));
                memory.add(segment.asReadOnly());
            }
            try (EmbeddingSession foreign = EmbeddingSession.over(parts.graph(), buffers,
                    buffer -> memory.get(buffer.allocation()))) {
                List<long[]> ids = tokenizer.encode(List.of(SENTENCE, "another one", "the third is a little longer"));

                List<float[]> expected = plain.embed(ids);
                List<float[]> answered = foreign.embed(ids);

                for (int i = 0; i < expected.size(); i++) {
                    assertThat(answered.get(i)).containsExactly(expected.get(i));
                }
            }
        }
    }

    @Test
    void vectorsHaveLengthOneAndPaddingDoesNotChangeThem() throws IOException {
        float[] alone = plain.embed(tokenizer.encode(List.of(SENTENCE))).getFirst();
        float[] padded = plain.embed(tokenizer.encode(List.of(SENTENCE, SENTENCE.repeat(20)))).getFirst();

        double squares = 0;
        for (int i = 0; i < alone.length; i++) {
            squares += (double) alone[i] * alone[i];
            assertThat(padded[i]).isEqualTo(alone[i], within(1e-6f));
        }
        assertThat(alone).hasSize(384);
        assertThat(squares).isEqualTo(1, within(1e-6));
    }

    @Test
    void similarSentencesAreNearerThanOthers() throws IOException {
        List<float[]> vectors = plain.embed(
                tokenizer.encode(
                        List.of("The cat sits on the mat.", "A cat is on a mat.", "Interest rates rose in May.")));

        assertThat(dot(vectors.get(0), vectors.get(1))).isGreaterThan(0.8f);
        assertThat(dot(vectors.get(0), vectors.get(2))).isLessThan(0.3f);
    }

    private static float dot(float[] left, float[] right) {
        float sum = 0;
        for (int i = 0; i < left.length; i++) {
            sum += left[i] * right[i];
        }
        return sum;
    }

    @Test
    void tokensAreTheModelsOwnAndLongTextsAreCut() {
        long[] ids = tokenizer.encode(List.of("hello world")).getFirst();

        assertThat(ids).containsExactly(101, 7592, 2088, 102);
        assertThat(tokenizer.encode(List.of("word ".repeat(2000))).getFirst()).hasSize(Tokenizer.WINDOW);
    }

    @Test
    void somethingElseIsRefusedByName() throws IOException {
        Path file = Files.writeString(folder.resolve("x.onnx"), "this is not protobuf at all");

        assertThatThrownBy(() -> OnnxGraph.read(file)).hasMessageContaining("x.onnx is not an ONNX model");
        assertThatThrownBy(() -> EmbeddingSession.plain(file)).hasMessageContaining("x.onnx");
    }
}
