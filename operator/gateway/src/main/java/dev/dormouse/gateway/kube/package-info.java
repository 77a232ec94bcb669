/** The cluster as the gateway sees it, and its one write: the wake intent. */
@NullMarked
package dev.dormouse.gateway.kube;

import org.jspecify.annotations.NullMarked;
