/**
 * Snapshots on a volume: which exist, how one is published so that no crash shows half of it, how one is read back. The
 * layout is that of {@link dev.dormouse.sidecar.format}; every file operation goes through
 * {@link dev.dormouse.sidecar.store.SnapshotFiles}.
 */
@NullMarked
package dev.dormouse.sidecar.store;

import org.jspecify.annotations.NullMarked;
