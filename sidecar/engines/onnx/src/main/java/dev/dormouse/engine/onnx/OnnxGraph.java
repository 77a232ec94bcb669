package dev.dormouse.engine.onnx;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnknownFieldSet;
import com.google.protobuf.UnknownFieldSet.Field;
import com.google.protobuf.UnsafeByteOperations;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * An ONNX model taken apart: the graph without its large weights, and the weights. Field numbers are those of
 * {@code onnx.proto3}: ModelProto.graph 7, GraphProto.initializer 5, TensorProto dims 1, data_type 2, name 8, raw_data 9,
 * external_data 13 (key 1, value 2), data_location 14 (EXTERNAL 1).
 *
 * @param graph a valid model whose weights are said to lie elsewhere; whoever loads it supplies them by name
 * @param weights in the file's order; the bytes are views of the mapped file
 */
record OnnxGraph(byte[] graph, List<Weight> weights) {
    /** Smaller tensors stay in the graph: they cost nothing and ONNX Runtime folds them. */
    static final int SMALLEST_WEIGHT = 1024;

    private static final int MODEL_GRAPH = 7;
    private static final int GRAPH_INITIALIZER = 5;
    private static final int TENSOR_DIMS = 1;
    private static final int TENSOR_TYPE = 2;
    private static final int TENSOR_NAME = 8;
    private static final int TENSOR_RAW = 9;
    private static final int TENSOR_EXTERNAL = 13;
    private static final int TENSOR_LOCATION = 14;
    private static final int EXTERNAL = 1;

    record Weight(String name, Dtype dtype, List<Long> shape, ByteString bytes) {}

    OnnxGraph {
        weights = List.copyOf(weights);
    }

    /** @throws IOException when the file is no ONNX model or larger than 2 GiB */
    static OnnxGraph read(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            if (channel.size() > Integer.MAX_VALUE) {
                throw new IOException(file + " has " + channel.size()
                        + " bytes; one ONNX file may have 2 GiB: export it with external data or smaller");
            }
            ByteString bytes = UnsafeByteOperations
                    .unsafeWrap(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size()));
            return take(bytes);
        } catch (InvalidProtocolBufferException e) {
            throw new IOException(file + " is not an ONNX model: " + e.getMessage(), e);
        }
    }

    private static OnnxGraph take(ByteString bytes) throws InvalidProtocolBufferException {
        UnknownFieldSet model = parse(bytes);
        List<ByteString> graphs = model.getField(MODEL_GRAPH).getLengthDelimitedList();
        if (graphs.size() != 1) {
            throw new InvalidProtocolBufferException("it has " + graphs.size() + " graphs");
        }
        UnknownFieldSet graph = parse(graphs.getFirst());
        List<Weight> weights = new ArrayList<>();
        Field.Builder initializers = Field.newBuilder();
        for (ByteString initializer : graph.getField(GRAPH_INITIALIZER).getLengthDelimitedList()) {
            UnknownFieldSet tensor = parse(initializer);
            Optional<Weight> weight = weight(tensor);
            weight.ifPresent(weights::add);
            initializers.addLengthDelimited(weight.isPresent() ? withoutData(tensor, weight.get()) : initializer);
        }
        UnknownFieldSet light = graph.toBuilder()
                .clearField(GRAPH_INITIALIZER)
                .addField(GRAPH_INITIALIZER, initializers.build())
                .build();
        return new OnnxGraph(model.toBuilder()
                .clearField(MODEL_GRAPH)
                .addField(MODEL_GRAPH, Field.newBuilder().addLengthDelimited(light.toByteString()).build())
                .build()
                .toByteArray(), weights);
    }

    /** Without copying: fields are views of {@code bytes}. */
    private static UnknownFieldSet parse(ByteString bytes) throws InvalidProtocolBufferException {
        try {
            CodedInputStream in = bytes.newCodedInput();
            in.enableAliasing(true);
            return UnknownFieldSet.parseFrom(in);
        } catch (InvalidProtocolBufferException e) {
            throw e;
        } catch (IOException e) {
            throw new InvalidProtocolBufferException(e);
        }
    }

    private static Optional<Weight> weight(UnknownFieldSet tensor) throws InvalidProtocolBufferException {
        List<ByteString> raw = tensor.getField(TENSOR_RAW).getLengthDelimitedList();
        List<Long> types = tensor.getField(TENSOR_TYPE).getVarintList();
        List<ByteString> names = tensor.getField(TENSOR_NAME).getLengthDelimitedList();
        if (raw.size() != 1 || raw.getFirst().size() < SMALLEST_WEIGHT || types.size() != 1 || names.size() != 1) {
            return Optional.empty();
        }
        List<Long> shape = shape(tensor);
        Optional<Dtype> dtype = Dtype.ofOnnx(types.getFirst().intValue());
        if (dtype.isEmpty()
                || shape.stream().reduce((long) dtype.get().bytes(), Math::multiplyExact) != raw.getFirst().size()) {
            return Optional.empty();
        }
        return Optional.of(new Weight(names.getFirst().toStringUtf8(), dtype.get(), shape, raw.getFirst()));
    }

    /** Packed or not: both are legal. */
    private static List<Long> shape(UnknownFieldSet tensor) throws InvalidProtocolBufferException {
        List<Long> dims = new ArrayList<>(tensor.getField(TENSOR_DIMS).getVarintList());
        for (ByteString packed : tensor.getField(TENSOR_DIMS).getLengthDelimitedList()) {
            try {
                CodedInputStream in = packed.newCodedInput();
                while (!in.isAtEnd()) {
                    dims.add(in.readInt64());
                }
            } catch (IOException e) {
                throw new InvalidProtocolBufferException(e);
            }
        }
        return dims;
    }

    private static ByteString withoutData(UnknownFieldSet tensor, Weight weight) {
        Field.Builder external = Field.newBuilder();
        external.addLengthDelimited(entry("location", "dormouse"));
        external.addLengthDelimited(entry("offset", "0"));
        external.addLengthDelimited(entry("length", Integer.toString(weight.bytes().size())));
        return tensor.toBuilder()
                .clearField(TENSOR_RAW)
                .addField(TENSOR_EXTERNAL, external.build())
                .addField(TENSOR_LOCATION, Field.newBuilder().addVarint(EXTERNAL).build())
                .build()
                .toByteString();
    }

    private static ByteString entry(String key, String value) {
        return UnknownFieldSet.newBuilder()
                .addField(1, Field.newBuilder().addLengthDelimited(ByteString.copyFromUtf8(key)).build())
                .addField(2, Field.newBuilder().addLengthDelimited(ByteString.copyFromUtf8(value)).build())
                .build()
                .toByteString();
    }
}
