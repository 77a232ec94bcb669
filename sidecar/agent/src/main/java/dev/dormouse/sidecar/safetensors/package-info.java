/**
 * Snapshots out of safetensors files and back, without an engine. The format is the one of
 * <a href="https://github.com/huggingface/safetensors#format">huggingface/safetensors</a>: a little-endian u64 with the
 * length of the header, the header in JSON, then the tensors' bytes without holes. Files come from anywhere: nothing of
 * a header is used before it was checked.
 */
@NullMarked
package dev.dormouse.sidecar.safetensors;

import org.jspecify.annotations.NullMarked;
