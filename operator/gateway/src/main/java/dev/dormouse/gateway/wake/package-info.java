/** When to say that a model is wanted, and where to say it. Decisions over {@code Instant}s; no I/O. */
@NullMarked
package dev.dormouse.gateway.wake;

import org.jspecify.annotations.NullMarked;
