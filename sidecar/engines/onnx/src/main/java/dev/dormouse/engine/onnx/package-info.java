/** The reference engine's process: sentence embeddings with ONNX Runtime, its weights in the sidecar's memory. */
@NullMarked
package dev.dormouse.engine.onnx;

import org.jspecify.annotations.NullMarked;
