package dev.dormouse.engine.onnx.graph;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * An ONNX model taken apart: the graph without its large weights, and the weights as views of the model's bytes.
 *
 * <p>The graph is rewritten field by field from the protobuf wire format ({@code onnx.proto}: ModelProto, GraphProto,
 * TensorProto), so that nothing this class does not know is lost. A weight that is taken out is left behind as a tensor
 * with external data, which ONNX Runtime replaces by what {@code addInitializer} gives it under the same name.
 *
 * @param graph the rewritten ModelProto
 * @param weights in the model's order; each is valid as long as the model's bytes are
 */
public record WeightFreeGraph(byte[] graph, List<Weight> weights) {
    /** Smaller tensors (biases of one number, shapes, axes) stay in the graph: a buffer each would cost more. */
    public static final int MIN_BYTES = 1024;

    private static final int MODEL_IR_VERSION = 1;
    private static final int MODEL_GRAPH = 7;
    private static final int GRAPH_INITIALIZER = 5;
    private static final int GRAPH_INPUT = 11;
    private static final int INPUT_NAME = 1;
    private static final int TENSOR_DIMS = 1;
    private static final int TENSOR_DATA_TYPE = 2;
    private static final int TENSOR_NAME = 8;
    private static final int TENSOR_RAW_DATA = 9;
    private static final int TENSOR_EXTERNAL_DATA = 13;
    private static final int TENSOR_DATA_LOCATION = 14;
    private static final int ENTRY_KEY = 1;
    private static final int ENTRY_VALUE = 2;
    private static final int EXTERNAL = 1;
    /** From here on an initializer is a constant even if the graph lists it as an input too. */
    private static final int FIRST_IR_VERSION_OF_CONSTANTS = 4;

    public WeightFreeGraph {
        weights = List.copyOf(weights);
    }

    /**
     * @param model the bytes of an ONNX file
     * @throws IOException saying what is wrong with the file
     */
    public static WeightFreeGraph of(MemorySegment model) throws IOException {
        if (model.byteSize() > Integer.MAX_VALUE) {
            throw new IOException("The model has " + model.byteSize() + " bytes; a protobuf file ends at 2 GiB");
        }
        try {
            Set<String> overridable = new Overridable(open(model)).names();
            ByteArrayOutputStream rewritten = new ByteArrayOutputStream(1 << 16);
            List<Weight> weights = new ArrayList<>();
            CodedOutputStream out = CodedOutputStream.newInstance(rewritten);
            new Rewriter(model, open(model), overridable, weights).model(out);
            out.flush();
            return new WeightFreeGraph(rewritten.toByteArray(), weights);
        } catch (InvalidProtocolBufferException e) {
            throw new IOException("Not an ONNX model, or a damaged one: " + e.getMessage(), e);
        }
    }

    private static CodedInputStream open(MemorySegment model) {
        return CodedInputStream.newInstance(model.asByteBuffer());
    }

    /** Finds initializers that a caller may override as inputs: they are no constants, so they stay in the graph. */
    private record Overridable(CodedInputStream in) {

        Set<String> names() throws IOException {
            long irVersion = 0;
            Set<String> inputs = new HashSet<>();
            boolean graph = false;
            for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
                switch (WireFormat.getTagFieldNumber(tag)) {
                    case MODEL_IR_VERSION -> irVersion = in.readInt64();
                    case MODEL_GRAPH -> {
                        graph = true;
                        inputs(inputs);
                    }
                    default -> in.skipField(tag);
                }
            }
            if (!graph) {
                throw new IOException("Not an ONNX model: it has no graph");
            }
            return irVersion < FIRST_IR_VERSION_OF_CONSTANTS ? inputs : Set.of();
        }

        private void inputs(Set<String> names) throws IOException {
            int end = in.pushLimit(in.readRawVarint32());
            for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
                if (WireFormat.getTagFieldNumber(tag) == GRAPH_INPUT) {
                    int inputEnd = in.pushLimit(in.readRawVarint32());
                    for (int inner = in.readTag(); inner != 0; inner = in.readTag()) {
                        if (WireFormat.getTagFieldNumber(inner) == INPUT_NAME) {
                            names.add(in.readString());
                        } else {
                            in.skipField(inner);
                        }
                    }
                    in.popLimit(inputEnd);
                } else {
                    in.skipField(tag);
                }
            }
            in.popLimit(end);
        }
    }

    private record Rewriter(MemorySegment model, CodedInputStream in, Set<String> overridable, List<Weight> weights) {

        void model(CodedOutputStream out) throws IOException {
            for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
                if (WireFormat.getTagFieldNumber(tag) == MODEL_GRAPH) {
                    out.writeByteArray(MODEL_GRAPH, graph());
                } else {
                    in.skipField(tag, out);
                }
            }
        }

        private byte[] graph() throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream(1 << 16);
            CodedOutputStream out = CodedOutputStream.newInstance(bytes);
            int end = in.pushLimit(in.readRawVarint32());
            for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
                if (WireFormat.getTagFieldNumber(tag) == GRAPH_INITIALIZER) {
                    out.writeByteArray(GRAPH_INITIALIZER, initializer());
                } else {
                    in.skipField(tag, out);
                }
            }
            in.popLimit(end);
            out.flush();
            return bytes.toByteArray();
        }

        private byte[] initializer() throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream(128);
            CodedOutputStream out = CodedOutputStream.newInstance(bytes);
            String name = "";
            int type = 0;
            List<Long> shape = new ArrayList<>();
            MemorySegment raw = MemorySegment.NULL;
            int end = in.pushLimit(in.readRawVarint32());
            for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
                switch (WireFormat.getTagFieldNumber(tag)) {
                    case TENSOR_DIMS -> dimensions(tag, shape);
                    case TENSOR_DATA_TYPE -> type = in.readInt32();
                    case TENSOR_NAME -> name = in.readString();
                    case TENSOR_RAW_DATA -> {
                        int length = in.readRawVarint32();
                        raw = model.asSlice(in.getTotalBytesRead(), length);
                        in.skipRawBytes(length);
                    }
                    case TENSOR_EXTERNAL_DATA -> throw new IOException("Weight " + name
                            + " lies outside of the ONNX file; save the model as one file without external data");
                    default -> in.skipField(tag, out);
                }
            }
            in.popLimit(end);

            for (long dimension : shape) {
                out.writeInt64(TENSOR_DIMS, dimension);
            }
            out.writeInt32(TENSOR_DATA_TYPE, type);
            out.writeString(TENSOR_NAME, name);
            Optional<ElementType> known = ElementType.ofOnnx(type);
            if (known.isPresent() && raw.byteSize() >= MIN_BYTES && !overridable.contains(name)) {
                weights.add(weight(name, known.get(), shape, raw));
                out.writeByteArray(TENSOR_EXTERNAL_DATA, entry("location", "dormouse"));
                out.writeByteArray(TENSOR_EXTERNAL_DATA, entry("length", Long.toString(raw.byteSize())));
                out.writeEnum(TENSOR_DATA_LOCATION, EXTERNAL);
            } else if (raw.byteSize() > 0) {
                out.writeByteBuffer(TENSOR_RAW_DATA, raw.asByteBuffer());
            }
            out.flush();
            return bytes.toByteArray();
        }

        private static Weight weight(String name, ElementType type, List<Long> shape, MemorySegment raw)
                throws IOException {
            try {
                return new Weight(name, type, shape, raw);
            } catch (IllegalArgumentException | ArithmeticException e) {
                throw new IOException("The model is damaged: " + e.getMessage(), e);
            }
        }

        private void dimensions(int tag, List<Long> shape) throws IOException {
            if (WireFormat.getTagWireType(tag) != WireFormat.WIRETYPE_LENGTH_DELIMITED) {
                shape.add(in.readInt64());
                return;
            }
            int end = in.pushLimit(in.readRawVarint32());
            while (in.getBytesUntilLimit() > 0) {
                shape.add(in.readInt64());
            }
            in.popLimit(end);
        }

        private static byte[] entry(String key, String value) throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream(32);
            CodedOutputStream out = CodedOutputStream.newInstance(bytes);
            out.writeString(ENTRY_KEY, key);
            out.writeString(ENTRY_VALUE, value);
            out.flush();
            return bytes.toByteArray();
        }
    }
}
