/** Text in, vectors out: tokenizer, session, pooling. */
@NullMarked
package dev.dormouse.engine.onnx.model;

import org.jspecify.annotations.NullMarked;
