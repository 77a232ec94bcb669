/** Whether a model should be awake, and why. */
@NullMarked
package dev.dormouse.domain.scaling;

import org.jspecify.annotations.NullMarked;
