package dev.dormouse.sidecar.safetensors;

import java.util.List;

/**
 * @param shape elements per dimension; empty for a scalar
 * @param offset of its first byte, counted from the end of the header
 * @param length in bytes
 */
record Tensor(String name, Dtype dtype, List<Long> shape, long offset, long length) {
    Tensor {
        shape = List.copyOf(shape);
    }
}
