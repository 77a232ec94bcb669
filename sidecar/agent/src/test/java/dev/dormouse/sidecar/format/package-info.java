@NullMarked
package dev.dormouse.sidecar.format;

import org.jspecify.annotations.NullMarked;
