/** Which models and replicas there are, and which of them a client means. Values and one table; no I/O. */
@NullMarked
package dev.dormouse.gateway.route;

import org.jspecify.annotations.NullMarked;
