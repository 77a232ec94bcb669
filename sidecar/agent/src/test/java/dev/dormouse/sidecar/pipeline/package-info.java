@NullMarked
package dev.dormouse.sidecar.pipeline;

import org.jspecify.annotations.NullMarked;
