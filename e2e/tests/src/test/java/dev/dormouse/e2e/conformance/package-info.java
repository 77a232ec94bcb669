/**
 * What a Kubernetes API server answers, checked from outside: over plain HTTP, and with the programs that people use. The
 * same suite runs on every control plane: {@code -Dcluster=embedded} (the default), {@code binaries} or {@code kubeconfig}.
 */
@NullMarked
package dev.dormouse.e2e.conformance;

import org.jspecify.annotations.NullMarked;
