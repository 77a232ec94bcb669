package dev.dormouse.engine.onnx.graph;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/** Element types of weights that ONNX Runtime's Java interface can take from our memory. Others stay in the graph. */
public enum ElementType {
    F32(1, 4), U8(2, 1), I8(3, 1), I16(5, 2), I32(6, 4), I64(7, 8), BOOL(9, 1), F16(10, 2), F64(11, 8), BF16(16, 2);

    private final int onnx;
    private final int bytes;

    ElementType(int onnx, int bytes) {
        this.onnx = onnx;
        this.bytes = bytes;
    }

    /** Bytes per element. */
    public int bytes() {
        return bytes;
    }

    /** As safetensors writes it: {@code f32}, {@code bf16}, {@code i64}, … */
    public String dtype() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** @param number of {@code TensorProto.DataType} */
    public static Optional<ElementType> ofOnnx(int number) {
        return Arrays.stream(values()).filter(type -> type.onnx == number).findFirst();
    }

    /** @throws IllegalArgumentException when no engine of this version writes {@code dtype} */
    public static ElementType ofDtype(String dtype) {
        return Arrays.stream(values())
                .filter(type -> type.dtype().equals(dtype))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("Unknown element type of a weight: " + dtype));
    }
}
