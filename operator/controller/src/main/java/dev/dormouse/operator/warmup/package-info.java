/** The warmup queue of this process: the scheduler of the domain, shared by all reconciles. */
@NullMarked
package dev.dormouse.operator.warmup;

import org.jspecify.annotations.NullMarked;
