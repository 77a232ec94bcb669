/** What status says, and the only writer of it. */
@NullMarked
package dev.dormouse.operator.status;

import org.jspecify.annotations.NullMarked;
