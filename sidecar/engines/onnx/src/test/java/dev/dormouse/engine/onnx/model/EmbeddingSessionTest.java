package dev.dormouse.engine.onnx.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import dev.dormouse.engine.onnx.TestModel;
import dev.dormouse.engine.onnx.graph.Weight;
import dev.dormouse.engine.onnx.graph.WeightFreeGraph;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class EmbeddingSessionTest {
    private static final List<String> TEXTS = List.of("hello world", "The dormouse sleeps through the winter.", "a",
            "naïve café – 東京 🐭", "x ".repeat(300));

    private TestModel model;
    private TextTokenizer tokenizer;
    private EmbeddingSession session;
    private Arena memory;

    @BeforeAll
    void aSessionOverMemory(@TempDir Path folder) throws IOException, OrtException {
        model = TestModel.load();
        tokenizer = model.tokenizer();
        Path optimized = folder.resolve("optimized.onnx");
        EmbeddingSession.optimize(model.environment(), model.files().onnx(), optimized);
        memory = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(optimized)) {
            WeightFreeGraph parts = WeightFreeGraph.of(channel.map(MapMode.READ_ONLY, 0, channel.size(), memory));
            List<Weight> weights = parts.weights().stream().map(this::elsewhere).toList();
            session = EmbeddingSession.overMemory(model.environment(), direct(parts.graph()), weights,
                    model.settings());
        }
    }

    /** Read-only, as the sidecar's memory is after the commit. */
    private Weight elsewhere(Weight weight) {
        MemorySegment copy = memory.allocate(weight.data().byteSize(), 64).copyFrom(weight.data());
        return new Weight(weight.name(), weight.type(), weight.shape(), copy.asReadOnly());
    }

    private static ByteBuffer direct(byte[] bytes) {
        return ByteBuffer.allocateDirect(bytes.length).put(bytes).flip();
    }

    @AfterAll
    void close() {
        session.close();
        tokenizer.close();
        memory.close();
    }

    @Test
    void answersAreToTheLastBitThoseOfOnnxRuntimeOverTheOriginalFile() throws OrtException {
        for (String text : TEXTS) {
            long[] ids = tokenizer.encode(List.of(text)).getFirst();

            assertThat(session.embed(List.of(ids)).getFirst()).containsExactly(reference(ids));
        }
    }

    /** Nothing of ours: an untouched session, default options, mean pooling written out. */
    private float[] reference(long[] ids) throws OrtException {
        long[] ones = new long[ids.length];
        Arrays.fill(ones, 1);
        try (OrtSession plain = model.environment().createSession(model.files().onnx().toString());
                OnnxTensor tokens = OnnxTensor.createTensor(model.environment(), new long[][]{ids});
                OnnxTensor mask = OnnxTensor.createTensor(model.environment(), new long[][]{ones});
                OnnxTensor types = OnnxTensor.createTensor(model.environment(), new long[1][ids.length]);
                OrtSession.Result result = plain
                        .run(Map.of("input_ids", tokens, "attention_mask", mask, "token_type_ids", types))) {
            float[][] states = ((float[][][]) result.get(0).getValue())[0];
            float[] mean = new float[states[0].length];
            double squares = 0;
            for (int i = 0; i < mean.length; i++) {
                for (float[] state : states) {
                    mean[i] += state[i];
                }
                mean[i] /= states.length;
                squares += (double) mean[i] * mean[i];
            }
            for (int i = 0; i < mean.length; i++) {
                mean[i] /= (float) Math.sqrt(squares);
            }
            return mean;
        }
    }

    @Test
    void aBatchAnswersAsItsTextsDoAloneAndInTheirOrder() throws OrtException {
        List<long[]> ids = tokenizer.encode(TEXTS);

        List<float[]> together = session.embed(ids);

        for (int i = 0; i < ids.size(); i++) {
            float[] alone = session.embed(List.of(ids.get(i))).getFirst();
            assertThat(together.get(i)).containsExactly(alone, within(1e-6f));
        }
    }

    @Test
    void vectorsHaveLengthOneAndSayWhatIsLikeWhat() throws OrtException {
        List<float[]> vectors = session.embed(tokenizer.encode(
                List.of("A cat sits on the mat.", "A kitten is sitting on a rug.", "Interest rates rose again.")));

        assertThat(vectors).allSatisfy(vector -> {
            assertThat(vector).hasSize(384);
            assertThat(dot(vector, vector)).isCloseTo(1.0, within(1e-5));
        });
        assertThat(dot(vectors.get(0), vectors.get(1))).isGreaterThan(0.5);
        assertThat(dot(vectors.get(0), vectors.get(2))).isLessThan(0.2);
    }

    @Test
    @DisplayName("The vector of 'hello world' is the one that sentence-transformers publishes")
    void knownVector() throws OrtException {
        float[] vector = session.embed(tokenizer.encode(List.of("hello world"))).getFirst();

        assertThat(Arrays.copyOf(vector, 6)).containsExactly(
                new float[]{-0.03447731f, 0.031023193f, 0.0067349216f, 0.026108941f, -0.039362047f, -0.16030248f},
                within(1e-5f));
    }

    @Test
    void tokensAreThoseOfTheModelsVocabulary() {
        assertThat(tokenizer.encode(List.of("hello world", "", "Dormouse!"))).containsExactly(
                new long[]{101, 7592, 2088, 102}, new long[]{101, 102}, new long[]{101, 19568, 15441, 999, 102});
    }

    @Test
    void aTextOfMoreThan512TokensIsCutAndStillEndsAsOne() throws OrtException {
        long[] longText = tokenizer.encode(List.of("word ".repeat(600))).getFirst();
        long[] cutText = tokenizer.encode(List.of("word ".repeat(510))).getFirst();

        assertThat(longText).hasSize(512).startsWith(101).endsWith(102).containsExactly(cutText);
        assertThat(session.embed(List.of(longText)).getFirst()).hasSize(384);
    }

    private static double dot(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }
}
