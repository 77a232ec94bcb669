/** How a Java engine talks to its sidecar. */
@NullMarked
package dev.dormouse.sidecar.client;

import org.jspecify.annotations.NullMarked;
