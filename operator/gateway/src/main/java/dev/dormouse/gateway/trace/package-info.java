/** One distributed trace per request, for those who collect them; OpenTelemetry stays in this room. */
@NullMarked
package dev.dormouse.gateway.trace;

import org.jspecify.annotations.NullMarked;
