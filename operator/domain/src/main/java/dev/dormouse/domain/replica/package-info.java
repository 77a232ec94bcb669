/** How many pods a model has, and what is to happen to each. */
@NullMarked
package dev.dormouse.domain.replica;

import org.jspecify.annotations.NullMarked;
