/** Bytes from a snapshot into memory: bounded, verified, cancellable. */
@NullMarked
package dev.dormouse.sidecar.pipeline;

import org.jspecify.annotations.NullMarked;
