/**
 * What a GPU does: its limits, what restores reach of them in each mode of device memory, what survives whom, and where it
 * differs from the stand-in. {@link dev.dormouse.gpu.GpuRunMain} is the whole of it; {@code e2e/gpu/run} starts it.
 */
@NullMarked
package dev.dormouse.gpu;

import org.jspecify.annotations.NullMarked;
