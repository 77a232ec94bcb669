/** Following the sidecars of live pods. */
@NullMarked
package dev.dormouse.operator.sidecar;

import org.jspecify.annotations.NullMarked;
