/** References of a spec to results: what they point to, or why they point nowhere. */
@NullMarked
package dev.dormouse.operator.resolve;

import org.jspecify.annotations.NullMarked;
