package dev.dormouse.engine.onnx.model;

import ai.onnxruntime.NodeInfo;
import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import ai.onnxruntime.OrtSession.SessionOptions;
import ai.onnxruntime.OrtSession.SessionOptions.OptLevel;
import ai.onnxruntime.TensorInfo;
import dev.dormouse.engine.onnx.graph.Weight;
import dev.dormouse.engine.onnx.model.ModelSettings.Pooling;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * An ONNX Runtime session that turns token ids into unit vectors. Safe for several threads.
 *
 * <p>Built over weights that somebody else keeps in memory, it reads them in place: they must stay mapped until
 * {@link #close()}. ONNX Runtime keeps re-ordered copies of matrices beside them (pre-packing): half the time per run
 * for their size in memory.
 */
public final class EmbeddingSession implements AutoCloseable {
    /** 4096 padded tokens: about 100 MB of attention scores for 12 heads at 512 tokens. */
    private static final int MAX_BATCH_TOKENS = 4096;
    private static final String IDS = "input_ids";
    private static final String MASK = "attention_mask";
    private static final String TYPES = "token_type_ids";
    private static final Set<String> KNOWN_INPUTS = Set.of(IDS, MASK, TYPES);

    private final OrtEnvironment environment;
    private final OrtSession session;
    private final SessionOptions options;
    private final List<OnnxTensor> weights;
    private final Map<String, OnnxJavaType> inputs;
    private final Output output;
    private final ModelSettings settings;

    /** @param pooled whether the graph pools by itself */
    private record Output(String name, boolean pooled) {}

    private EmbeddingSession(OrtEnvironment environment, OrtSession session, SessionOptions options,
            List<OnnxTensor> weights, ModelSettings settings) throws OrtException {
        this.environment = environment;
        this.session = session;
        this.options = options;
        this.weights = weights;
        this.settings = settings;
        this.inputs = inputs(session.getInputInfo());
        this.output = output(session.getOutputInfo());
    }

    /** As ONNX Runtime does it: weights are read from the file and copied. */
    public static EmbeddingSession overFile(OrtEnvironment environment, Path onnx, ModelSettings settings)
            throws OrtException {
        SessionOptions options = options();
        OrtSession session = environment.createSession(onnx.toString(), options);
        return new EmbeddingSession(environment, session, options, List.of(), settings);
    }

    /**
     * Over weights in place.
     *
     * @param graph an optimized graph without weights, in a direct buffer
     * @param weights every weight that the graph leaves out
     */
    public static EmbeddingSession overMemory(OrtEnvironment environment, ByteBuffer graph, List<Weight> weights,
            ModelSettings settings) throws OrtException {
        SessionOptions options = options();
        options.setOptimizationLevel(OptLevel.NO_OPT);
        List<OnnxTensor> tensors = new ArrayList<>(weights.size());
        for (Weight weight : weights) {
            OnnxTensor tensor = tensor(environment, weight);
            tensors.add(tensor);
            options.addInitializer(weight.name(), tensor);
        }
        return new EmbeddingSession(environment, environment.createSession(graph, options), options, tensors, settings);
    }

    /**
     * Writes the optimized form of a model, with its weights inside.
     *
     * @param target where the file appears
     */
    public static void optimize(OrtEnvironment environment, Path onnx, Path target) throws OrtException {
        try (SessionOptions options = new SessionOptions()) {
            // The levels above write graphs for this very processor, which a snapshot must not contain.
            options.setOptimizationLevel(OptLevel.EXTENDED_OPT);
            options.setOptimizedModelFilePath(target.toString());
            // Nothing runs in this session.
            options.addConfigEntry("session.disable_prepacking", "1");
            options.setIntraOpNumThreads(1);
            environment.createSession(onnx.toString(), options).close();
        }
    }

    private static SessionOptions options() throws OrtException {
        SessionOptions options = new SessionOptions();
        // ONNX Runtime counts the node's cores, the JVM the container's.
        options.setIntraOpNumThreads(Runtime.getRuntime().availableProcessors());
        // Idle threads would burn the very cores that the next request, or another model, needs.
        options.addConfigEntry("session.intra_op.allow_spinning", "0");
        // Patterns are kept per input shape, and each request has another one.
        options.setMemoryPatternOptimization(false);
        return options;
    }

    private static OnnxTensor tensor(OrtEnvironment environment, Weight weight) throws OrtException {
        long[] shape = weight.shape().stream().mapToLong(Long::longValue).toArray();
        ByteBuffer data = weight.data().asByteBuffer().order(ByteOrder.nativeOrder());
        return OnnxTensor.createTensor(environment, data, shape, switch (weight.type()) {
            case F32 -> OnnxJavaType.FLOAT;
            case F64 -> OnnxJavaType.DOUBLE;
            case F16 -> OnnxJavaType.FLOAT16;
            case BF16 -> OnnxJavaType.BFLOAT16;
            case I8 -> OnnxJavaType.INT8;
            case U8 -> OnnxJavaType.UINT8;
            case I16 -> OnnxJavaType.INT16;
            case I32 -> OnnxJavaType.INT32;
            case I64 -> OnnxJavaType.INT64;
            case BOOL -> OnnxJavaType.BOOL;
        });
    }

    private static Map<String, OnnxJavaType> inputs(Map<String, NodeInfo> declared) throws OrtException {
        Map<String, OnnxJavaType> inputs = new HashMap<>();
        for (NodeInfo input : declared.values()) {
            if (!KNOWN_INPUTS.contains(input.getName()) || !(input.getInfo() instanceof TensorInfo info)
                    || (info.type != OnnxJavaType.INT64 && info.type != OnnxJavaType.INT32)) {
                throw new OrtException("Not a sentence embedding model: it asks for input " + input.getName()
                        + "; supported are integers " + KNOWN_INPUTS);
            }
            inputs.put(input.getName(), info.type);
        }
        if (!inputs.containsKey(IDS)) {
            throw new OrtException("Not a sentence embedding model: it has no input " + IDS);
        }
        return Map.copyOf(inputs);
    }

    private static Output output(Map<String, NodeInfo> declared) throws OrtException {
        for (Output known : List.of(new Output("sentence_embedding", true), new Output("last_hidden_state", false))) {
            if (declared.containsKey(known.name())) {
                return known;
            }
        }
        for (NodeInfo candidate : declared.values()) {
            if (candidate.getInfo() instanceof TensorInfo info && info.getShape().length == 3) {
                return new Output(candidate.getName(), false);
            }
        }
        throw new OrtException("Not a sentence embedding model: its outputs " + declared.keySet()
                + " contain neither sentence_embedding nor last_hidden_state");
    }

    /**
     * @param tokens per input: 1 to {@link ModelSettings#maxTokens} ids below {@link ModelSettings#vocabulary}
     * @return one vector of length 1 per input, in the order given
     */
    public List<float[]> embed(List<long[]> tokens) throws OrtException {
        float[][] vectors = new float[tokens.size()][];
        for (List<Integer> batch : BatchPlan.of(tokens.stream().map(ids -> ids.length).toList(), MAX_BATCH_TOKENS)) {
            float[][] some = run(batch.stream().map(tokens::get).toList());
            for (int i = 0; i < some.length; i++) {
                vectors[batch.get(i)] = some[i];
            }
        }
        return List.of(vectors);
    }

    private float[][] run(List<long[]> batch) throws OrtException {
        int rows = batch.size();
        int columns = batch.stream().mapToInt(ids -> ids.length).max().orElse(0);
        long[] ids = new long[rows * columns];
        long[] mask = new long[rows * columns];
        for (int row = 0; row < rows; row++) {
            long[] tokens = batch.get(row);
            for (int column = 0; column < columns; column++) {
                boolean real = column < tokens.length;
                ids[row * columns + column] = real ? tokens[column] : settings.padId();
                mask[row * columns + column] = real ? 1 : 0;
            }
        }
        Map<String, OnnxTensor> feed = new HashMap<>();
        try {
            for (Map.Entry<String, OnnxJavaType> input : inputs.entrySet()) {
                long[] values = switch (input.getKey()) {
                    case IDS -> ids;
                    case MASK -> mask;
                    default -> new long[ids.length];
                };
                feed.put(input.getKey(), integers(values, input.getValue(), rows, columns));
            }
            try (OrtSession.Result result = session.run(feed, Set.of(output.name()))) {
                return vectors((OnnxTensor) result.get(0), batch);
            }
        } finally {
            feed.values().forEach(OnnxTensor::close);
        }
    }

    private OnnxTensor integers(long[] values, OnnxJavaType type, int rows, int columns) throws OrtException {
        long[] shape = {rows, columns};
        if (type == OnnxJavaType.INT64) {
            return OnnxTensor.createTensor(environment, LongBuffer.wrap(values), shape);
        }
        int[] narrow = new int[values.length];
        for (int i = 0; i < values.length; i++) {
            narrow[i] = (int) values[i];
        }
        return OnnxTensor.createTensor(environment, IntBuffer.wrap(narrow), shape);
    }

    private float[][] vectors(OnnxTensor tensor, List<long[]> batch) {
        long[] shape = tensor.getInfo().getShape();
        int width = (int) shape[shape.length - 1];
        int columns = output.pooled() ? 1 : (int) shape[1];
        FloatBuffer values = tensor.getFloatBuffer();
        float[][] vectors = new float[batch.size()][];
        for (int row = 0; row < vectors.length; row++) {
            boolean first = output.pooled() || settings.pooling() == Pooling.Cls;
            int tokens = first ? 1 : batch.get(row).length;
            float[] vector = mean(values, (long) row * columns * width, tokens, width);
            normalize(vector);
            vectors[row] = vector;
        }
        return vectors;
    }

    private static float[] mean(FloatBuffer values, long from, int tokens, int width) {
        float[] mean = new float[width];
        int at = Math.toIntExact(from);
        for (int token = 0; token < tokens; token++) {
            for (int i = 0; i < width; i++) {
                mean[i] += values.get(at++);
            }
        }
        for (int i = 0; i < width; i++) {
            mean[i] /= tokens;
        }
        return mean;
    }

    private static void normalize(float[] vector) {
        double squares = 0;
        for (float value : vector) {
            squares += (double) value * value;
        }
        float length = (float) Math.max(Math.sqrt(squares), 1e-12);
        for (int i = 0; i < vector.length; i++) {
            vector[i] /= length;
        }
    }

    @Override
    public void close() {
        try {
            session.close();
        } catch (OrtException e) {
            throw new IllegalStateException("ONNX Runtime could not release a session", e);
        }
        options.close();
        weights.forEach(OnnxTensor::close);
    }
}
