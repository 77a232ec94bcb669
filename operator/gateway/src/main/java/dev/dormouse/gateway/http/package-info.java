/** The data plane on Vert.x. One event loop owns all of its state. */
@NullMarked
package dev.dormouse.gateway.http;

import org.jspecify.annotations.NullMarked;
