/** The sidecar process: owns a replica's snapshot memory, serves its engine, warms it up, and says where it stands. */
@NullMarked
package dev.dormouse.sidecar.agent;

import org.jspecify.annotations.NullMarked;
