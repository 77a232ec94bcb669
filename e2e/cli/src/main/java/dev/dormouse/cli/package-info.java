/** The {@code dormouse} command: local mode and the demo. */
@NullMarked
package dev.dormouse.cli;

import org.jspecify.annotations.NullMarked;
