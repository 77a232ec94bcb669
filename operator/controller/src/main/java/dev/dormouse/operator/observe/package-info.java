/** Events, metrics and probes. */
@NullMarked
package dev.dormouse.operator.observe;

import org.jspecify.annotations.NullMarked;
