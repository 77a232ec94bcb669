/**
 * How a process takes part in a distributed trace and where its spans go. OpenTelemetry stays in this room and in the
 * gateway's; {@link dev.dormouse.trace.StepTracing#OFF} loads nothing of it.
 */
@NullMarked
package dev.dormouse.trace;

import org.jspecify.annotations.NullMarked;
