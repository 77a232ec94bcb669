/**
 * The reference engine: ONNX Runtime serving sentence embeddings over OpenAI's API, its weights in memory that the
 * sidecar owns.
 */
@NullMarked
package dev.dormouse.engine.onnx;

import org.jspecify.annotations.NullMarked;
