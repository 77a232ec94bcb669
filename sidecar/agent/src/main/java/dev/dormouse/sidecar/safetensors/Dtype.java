package dev.dormouse.sidecar.safetensors;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** The element types of the format, as its reference implementation lists them. Snapshots write them in lower case. */
enum Dtype {
    BOOL(8), F4(4), F6_E2M3(6), F6_E3M2(6), U8(8), I8(8), F8_E5M2(8), F8_E4M3(8), F8_E8M0(8), I16(16), U16(16), F16(
            16), BF16(16), I32(32), U32(32), F32(32), C64(64), F64(64), I64(64), U64(64);

    private final int bits;

    Dtype(int bits) {
        this.bits = bits;
    }

    /** Case matters in the format. */
    static Optional<Dtype> of(String name) {
        return Arrays.stream(values()).filter(dtype -> dtype.name().equals(name)).findFirst();
    }

    /** Of a snapshot's buffer, which any engine may have named. */
    static Optional<Dtype> ofBuffer(String dtype) {
        return of(dtype.toUpperCase(Locale.ROOT));
    }

    String buffer() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Bytes of an element; 1 for those that are packed closer. */
    int width() {
        return Math.max(1, bits / 8);
    }

    /**
     * @return -1 when the elements do not fill whole bytes
     * @throws ArithmeticException when they are more than can be counted
     */
    long bytes(List<Long> shape) {
        long elements = 1;
        for (long length : shape) {
            elements = Math.multiplyExact(elements, length);
        }
        long total = Math.multiplyExact(elements, bits);
        return total % 8 == 0 ? total / 8 : -1;
    }

    boolean fills(List<Long> shape, long bytes) {
        try {
            return bytes(shape) == bytes;
        } catch (ArithmeticException uncountable) {
            return false;
        }
    }
}
