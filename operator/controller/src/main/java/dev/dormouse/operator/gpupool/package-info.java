/** The controller of GpuPool: what its nodes have, and what is asked of them. */
@NullMarked
package dev.dormouse.operator.gpupool;

import org.jspecify.annotations.NullMarked;
