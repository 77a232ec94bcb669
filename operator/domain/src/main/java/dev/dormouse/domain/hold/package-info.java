/**
 * What a gateway decides about a request, without threads, locks or a cluster: unknown, over the limit, go, hold. Events
 * in, effects out, one owner.
 */
@NullMarked
package dev.dormouse.domain.hold;

import org.jspecify.annotations.NullMarked;
