/** Where the sidecar stands, and the one HTTP port that tells: status as a stream, health, metrics. */
@NullMarked
package dev.dormouse.sidecar.status;

import org.jspecify.annotations.NullMarked;
