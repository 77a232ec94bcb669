/** One wake of a model on one clock, taken from a watch, the model's status and the sidecar's own report. */
@NullMarked
package dev.dormouse.cli.wake;

import org.jspecify.annotations.NullMarked;
