/** A control plane to run Dormouse against: embedded for the local mode and for tests, or a real one. */
@NullMarked
package dev.dormouse.cluster;

import org.jspecify.annotations.NullMarked;
