/** The part of OpenAI's HTTP interface that embeddings need. */
@NullMarked
package dev.dormouse.engine.onnx.http;

import org.jspecify.annotations.NullMarked;
