/** What the sidecar, the engines, the gateway and the operator say to each other: records only, no behaviour, no I/O. */
@NullMarked
package dev.dormouse.sidecar.api;

import org.jspecify.annotations.NullMarked;
