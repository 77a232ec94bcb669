/** The demo: one model, a cold start, a sleep, and a wake from the snapshot, told as it happens. */
@NullMarked
package dev.dormouse.cli.demo;

import org.jspecify.annotations.NullMarked;
