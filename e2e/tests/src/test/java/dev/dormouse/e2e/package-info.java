/** Stories and walls: what the whole system does, and which room may touch which. */
@NullMarked
package dev.dormouse.e2e;

import org.jspecify.annotations.NullMarked;
