/** Which model of several answers a request, and what its requests are like. Pure. */
@NullMarked
package dev.dormouse.domain.traffic;

import org.jspecify.annotations.NullMarked;
