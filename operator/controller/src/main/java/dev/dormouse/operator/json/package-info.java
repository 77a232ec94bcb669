/** API objects as JSON. Used by every other package, uses none. */
@NullMarked
package dev.dormouse.operator.json;

import org.jspecify.annotations.NullMarked;
