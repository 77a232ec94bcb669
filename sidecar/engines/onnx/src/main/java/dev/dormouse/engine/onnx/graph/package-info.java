/** What ONNX files say, without ONNX Runtime: graphs, their weights, and where those go. */
@NullMarked
package dev.dormouse.engine.onnx.graph;

import org.jspecify.annotations.NullMarked;
