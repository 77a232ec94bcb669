/** What becomes of the snapshots of one volume: found, kept, pinned, pruned, freed. */
@NullMarked
package dev.dormouse.domain.snapshot;

import org.jspecify.annotations.NullMarked;
