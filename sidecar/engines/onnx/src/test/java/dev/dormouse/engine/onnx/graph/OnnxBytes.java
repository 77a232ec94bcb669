package dev.dormouse.engine.onnx.graph;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/** Writes ONNX files by field numbers of {@code onnx.proto}, for tests. */
final class OnnxBytes {
    interface Fields {
        void write(CodedOutputStream out) throws IOException;
    }

    private OnnxBytes() {}

    static byte[] message(Fields fields) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        CodedOutputStream out = CodedOutputStream.newInstance(bytes);
        try {
            fields.write(out);
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    static byte[] tensor(String name, int type, List<Long> shape, byte[] raw) {
        return message(out -> {
            for (long dimension : shape) {
                out.writeInt64(1, dimension);
            }
            out.writeInt32(2, type);
            out.writeString(8, name);
            out.writeByteArray(9, raw);
        });
    }

    static byte[] input(String name) {
        return message(out -> out.writeString(1, name));
    }

    static byte[] model(int irVersion, List<byte[]> inputs, byte[]... initializers) {
        byte[] graph = message(out -> {
            out.writeByteArray(1, "a node".getBytes(UTF_8));
            out.writeString(2, "graph");
            for (byte[] initializer : initializers) {
                out.writeByteArray(5, initializer);
            }
            for (byte[] input : inputs) {
                out.writeByteArray(11, input);
            }
        });
        return message(out -> {
            out.writeInt64(1, irVersion);
            out.writeString(2, "producer");
            out.writeByteArray(7, graph);
        });
    }

    static MemorySegment segment(byte[] bytes) {
        return Arena.ofAuto().allocate(bytes.length).copyFrom(MemorySegment.ofArray(bytes));
    }

    static byte[] bytes(MemorySegment segment) {
        return segment.toArray(ValueLayout.JAVA_BYTE);
    }
}
