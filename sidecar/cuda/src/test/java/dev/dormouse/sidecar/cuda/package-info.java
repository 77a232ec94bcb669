@NullMarked
package dev.dormouse.sidecar.cuda;

import org.jspecify.annotations.NullMarked;
