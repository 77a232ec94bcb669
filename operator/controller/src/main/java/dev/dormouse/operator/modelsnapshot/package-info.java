/** The controller of ModelSnapshot: one per snapshot on a volume, found, kept, pruned and freed. */
@NullMarked
package dev.dormouse.operator.modelsnapshot;

import org.jspecify.annotations.NullMarked;
