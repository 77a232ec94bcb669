@NullMarked
package dev.dormouse.sidecar.device;

import org.jspecify.annotations.NullMarked;
