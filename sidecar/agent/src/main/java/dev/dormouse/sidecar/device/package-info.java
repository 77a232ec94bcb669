/** Memory that the sidecar owns and engines map. */
@NullMarked
package dev.dormouse.sidecar.device;

import org.jspecify.annotations.NullMarked;
