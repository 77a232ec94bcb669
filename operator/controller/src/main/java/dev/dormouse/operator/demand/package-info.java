/** Reading what the gateways carry. */
@NullMarked
package dev.dormouse.operator.demand;

import org.jspecify.annotations.NullMarked;
