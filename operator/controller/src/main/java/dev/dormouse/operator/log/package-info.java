/** How the operator writes its log, and under which keys. Used by every other package, uses none. */
@NullMarked
package dev.dormouse.operator.log;

import org.jspecify.annotations.NullMarked;
