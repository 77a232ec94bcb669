@NullMarked
package dev.dormouse.sidecar.store;

import org.jspecify.annotations.NullMarked;
