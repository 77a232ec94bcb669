package dev.dormouse.engine.onnx;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.OrtSession.SessionOptions;
import ai.onnxruntime.OrtSession.SessionOptions.OptLevel;
import ai.onnxruntime.TensorInfo;
import dev.dormouse.sidecar.api.EngineMessage.BufferMeta;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/**
 * An ONNX Runtime session that turns token ids into sentence embeddings: mean of the last hidden state over the real
 * tokens, scaled to length one, as sentence-transformers does; a model with an output {@code sentence_embedding} has done
 * that itself. Safe for many threads: ONNX Runtime's {@code run} is.
 *
 * <p>The memory behind supplied weights must stay mapped until {@link #close()}: ONNX Runtime reads it in place.
 */
final class EmbeddingSession implements AutoCloseable {
    private static final String POOLED = "sentence_embedding";

    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
    private final OrtSession session;
    private final List<OnnxTensor> weights;
    private final String output;

    private EmbeddingSession(OrtSession session, List<OnnxTensor> weights) throws IOException {
        this.session = session;
        this.weights = weights;
        this.output = session.getOutputNames().contains(POOLED) ? POOLED : session.getOutputNames().iterator().next();
        for (String input : session.getInputNames()) {
            if (!List.of("input_ids", "attention_mask", "token_type_ids").contains(input)) {
                throw new IOException("the model wants input " + input + ": it is not a sentence-embedding model");
            }
        }
    }

    /** A session over the file as it is, owning its weights. */
    static EmbeddingSession plain(Path model) throws IOException {
        try (SessionOptions options = new SessionOptions()) {
            options.setOptimizationLevel(OptLevel.EXTENDED_OPT);
            return new EmbeddingSession(OrtEnvironment.getEnvironment().createSession(model.toString(), options),
                    List.of());
        } catch (OrtException e) {
            throw new IOException("ONNX Runtime refuses " + model + ": " + e.getMessage(), e);
        }
    }

    /** Writes the graph as ONNX Runtime optimizes it, portable between machines, weights inside. */
    static void optimize(Path model, Path optimized) throws IOException {
        try (SessionOptions options = new SessionOptions()) {
            options.setOptimizationLevel(OptLevel.EXTENDED_OPT);
            options.setOptimizedModelFilePath(optimized.toString());
            OrtEnvironment.getEnvironment().createSession(model.toString(), options).close();
        } catch (OrtException e) {
            throw new IOException("ONNX Runtime refuses " + model + ": " + e.getMessage(), e);
        }
    }

    /**
     * A session over an optimized graph without weights and the memory that holds them. Nothing is copied by us.
     *
     * @param bytes where each buffer lies
     */
    static EmbeddingSession over(byte[] graph, List<BufferMeta> buffers, Function<BufferMeta, MemorySegment> bytes)
            throws IOException {
        OrtEnvironment environment = OrtEnvironment.getEnvironment();
        List<OnnxTensor> tensors = new ArrayList<>();
        try (SessionOptions options = new SessionOptions()) {
            options.setOptimizationLevel(OptLevel.NO_OPT);
            for (BufferMeta buffer : buffers) {
                OnnxTensor tensor = OnnxTensor.createTensor(environment,
                        bytes.apply(buffer).asByteBuffer().order(ByteOrder.nativeOrder()),
                        buffer.shape().stream().mapToLong(Long::longValue).toArray(),
                        Dtype.ofLabel(buffer.dtype()).java());
                tensors.add(tensor);
                options.addInitializer(buffer.name(), tensor);
            }
            return new EmbeddingSession(environment.createSession(graph, options), tensors);
        } catch (OrtException e) {
            tensors.forEach(OnnxTensor::close);
            throw new IOException("ONNX Runtime refuses the graph: " + e.getMessage(), e);
        }
    }

    /**
     * @param texts token ids per text, at least one each
     * @return one vector of length one per text
     */
    List<float[]> embed(List<long[]> texts) throws IOException {
        int longest = texts.stream().mapToInt(ids -> ids.length).max().orElse(0);
        long[] ids = new long[texts.size() * longest];
        long[] mask = new long[ids.length];
        for (int row = 0; row < texts.size(); row++) {
            long[] text = texts.get(row);
            System.arraycopy(text, 0, ids, row * longest, text.length);
            Arrays.fill(mask, row * longest, row * longest + text.length, 1);
        }
        long[] shape = {texts.size(), longest};
        Map<String, long[]> values = Map.of("input_ids", ids, "attention_mask", mask, "token_type_ids",
                new long[ids.length]);
        Map<String, OnnxTensor> inputs = new HashMap<>();
        try {
            for (String input : session.getInputNames()) {
                inputs.put(input, OnnxTensor.createTensor(environment, LongBuffer.wrap(values.get(input)), shape));
            }
            try (OrtSession.Result result = session.run(inputs, java.util.Set.of(output))) {
                return vectors((OnnxTensor) result.get(0), mask, texts.size(), longest);
            }
        } catch (OrtException e) {
            throw new IOException("inference failed: " + e.getMessage(), e);
        } finally {
            inputs.values().forEach(OnnxTensor::close);
        }
    }

    private List<float[]> vectors(OnnxTensor tensor, long[] mask, int rows, int tokens) {
        long[] shape = ((TensorInfo) tensor.getInfo()).getShape();
        float[] values = new float[tensor.getFloatBuffer().remaining()];
        tensor.getFloatBuffer().get(values);
        int width = (int) shape[shape.length - 1];
        List<float[]> vectors = new ArrayList<>(rows);
        for (int row = 0; row < rows; row++) {
            float[] vector = output.equals(POOLED)
                    ? Arrays.copyOfRange(values, row * width, (row + 1) * width)
                    : mean(values, mask, row * tokens, tokens, width);
            vectors.add(normalized(vector));
        }
        return vectors;
    }

    private static float[] mean(float[] values, long[] mask, int first, int tokens, int width) {
        float[] sum = new float[width];
        int counted = 0;
        for (int token = first; token < first + tokens; token++) {
            if (mask[token] == 0) {
                continue;
            }
            counted++;
            for (int i = 0; i < width; i++) {
                sum[i] += values[token * width + i];
            }
        }
        for (int i = 0; i < width; i++) {
            sum[i] /= Math.max(1, counted);
        }
        return sum;
    }

    private static float[] normalized(float[] vector) {
        double squares = 0;
        for (float value : vector) {
            squares += (double) value * value;
        }
        float length = (float) Math.max(Math.sqrt(squares), 1e-12);
        for (int i = 0; i < vector.length; i++) {
            vector[i] /= length;
        }
        return vector;
    }

    @Override
    public void close() throws IOException {
        try {
            session.close();
        } catch (OrtException e) {
            throw new IOException("closing the session: " + e.getMessage(), e);
        }
        weights.forEach(OnnxTensor::close);
    }
}
