/** Snapshots on a volume: found, saved, published last, quarantined. */
@NullMarked
package dev.dormouse.sidecar.store;

import org.jspecify.annotations.NullMarked;
