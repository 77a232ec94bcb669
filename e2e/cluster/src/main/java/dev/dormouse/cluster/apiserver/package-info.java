/**
 * A small Kubernetes API server for the local mode: what kubectl, fabric8 and java-operator-sdk need, with the semantics
 * of kube-apiserver, in memory. What it does not support it refuses. Only {@link ApiServer} and
 * {@link PodLogs} are for others.
 */
@NullMarked
package dev.dormouse.cluster.apiserver;

import org.jspecify.annotations.NullMarked;
