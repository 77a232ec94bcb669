/**
 * A node whose containers are local processes: an ordinary API client that registers a Node, binds pods, runs them and
 * writes their status. There is no isolation: no images, namespaces, limits or network policy.
 */
@NullMarked
package dev.dormouse.cluster.kubelet;

import org.jspecify.annotations.NullMarked;
