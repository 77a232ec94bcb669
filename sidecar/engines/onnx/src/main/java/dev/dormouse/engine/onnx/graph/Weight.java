package dev.dormouse.engine.onnx.graph;

import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * One initializer of a graph.
 *
 * @param shape elements per dimension; empty for a scalar
 * @param data little-endian elements, row by row; whoever made the record says how long they stay valid
 */
public record Weight(String name, ElementType type, List<Long> shape, MemorySegment data) {
    public Weight {
        shape = List.copyOf(shape);
        long elements = 1;
        for (long dimension : shape) {
            elements = Math.multiplyExact(elements, dimension);
        }
        if (Math.multiplyExact(elements, type.bytes()) != data.byteSize()) {
            throw new IllegalArgumentException("Weight " + name + " of shape " + shape + " and type " + type.dtype()
                    + " does not fit into " + data.byteSize() + " bytes");
        }
        if (data.byteSize() > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("Weight " + name + " has " + data.byteSize()
                    + " bytes; ONNX Runtime for Java takes at most 2 GiB per weight: split it, or quantize the model");
        }
    }
}
