/**
 * Moves chunks between packs and devices, at the speed of the slower one: N identical workers, each doing the whole way
 * of a chunk, so that no chunk is handed from thread to thread. Knows no files: packs are
 * {@link dev.dormouse.sidecar.pipeline.ChunkSource} and {@link dev.dormouse.sidecar.pipeline.ChunkSink}.
 */
@NullMarked
package dev.dormouse.sidecar.pipeline;

import org.jspecify.annotations.NullMarked;
