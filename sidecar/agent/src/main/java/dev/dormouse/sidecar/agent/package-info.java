/** The sidecar process: decides how its engine wakes, talks to it, warms it up, and keeps its snapshot. */
@NullMarked
package dev.dormouse.sidecar.agent;

import org.jspecify.annotations.NullMarked;
