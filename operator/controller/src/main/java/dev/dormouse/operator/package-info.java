/** The operator process: configuration and wiring. */
@NullMarked
package dev.dormouse.operator;

import org.jspecify.annotations.NullMarked;
