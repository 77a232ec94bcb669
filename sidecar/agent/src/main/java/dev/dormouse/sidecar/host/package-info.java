/** The machine and the container that this process runs on: what they are, and how busy. */
@NullMarked
package dev.dormouse.sidecar.host;

import org.jspecify.annotations.NullMarked;
