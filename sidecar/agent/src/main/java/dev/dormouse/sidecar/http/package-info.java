/** The sidecar's HTTP side: status as an answer and as a stream, probes for the kubelet, metrics for Prometheus. */
@NullMarked
package dev.dormouse.sidecar.http;

import org.jspecify.annotations.NullMarked;
