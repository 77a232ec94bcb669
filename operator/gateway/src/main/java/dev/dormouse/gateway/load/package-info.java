/** What this gateway carries and carried, as the operator and Prometheus ask for it. No I/O. */
@NullMarked
package dev.dormouse.gateway.load;

import org.jspecify.annotations.NullMarked;
