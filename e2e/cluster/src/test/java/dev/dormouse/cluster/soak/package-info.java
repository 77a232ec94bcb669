/** The control plane under load, killed again and again: what it has acknowledged is there, and watchers see it once, in order. */
@org.jspecify.annotations.NullMarked
package dev.dormouse.cluster.soak;
