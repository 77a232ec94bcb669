package dev.dormouse.engine.onnx;

import ai.onnxruntime.OnnxJavaType;
import java.util.Optional;

/** Element types whose tensors we move into shared memory; tensors of other types stay in the graph. */
enum Dtype {
    F32("f32", 1, 4, OnnxJavaType.FLOAT), //
    F16("f16", 10, 2, OnnxJavaType.FLOAT16), //
    BF16("bf16", 16, 2, OnnxJavaType.BFLOAT16), //
    F64("f64", 11, 8, OnnxJavaType.DOUBLE), //
    I64("i64", 7, 8, OnnxJavaType.INT64), //
    I32("i32", 6, 4, OnnxJavaType.INT32), //
    I8("i8", 3, 1, OnnxJavaType.INT8), //
    U8("u8", 2, 1, OnnxJavaType.UINT8);

    private final String label;
    private final int onnx;
    private final int bytes;
    private final OnnxJavaType java;

    Dtype(String label, int onnx, int bytes, OnnxJavaType java) {
        this.label = label;
        this.onnx = onnx;
        this.bytes = bytes;
        this.java = java;
    }

    /** As safetensors writes it. */
    String label() {
        return label;
    }

    int bytes() {
        return bytes;
    }

    OnnxJavaType java() {
        return java;
    }

    /** @param number {@code TensorProto.DataType} */
    static Optional<Dtype> ofOnnx(int number) {
        for (Dtype dtype : values()) {
            if (dtype.onnx == number) {
                return Optional.of(dtype);
            }
        }
        return Optional.empty();
    }

    static Dtype ofLabel(String label) {
        for (Dtype dtype : values()) {
            if (dtype.label.equals(label)) {
                return dtype;
            }
        }
        throw new IllegalArgumentException("unknown dtype " + label);
    }
}
