/** One distributed trace per request, for those who collect them. */
@NullMarked
package dev.dormouse.gateway.trace;

import org.jspecify.annotations.NullMarked;
