/** How a model is used, found out from its requests: samples in, one of eight patterns out, with the reason. Pure. */
@NullMarked
package dev.dormouse.domain.pattern;

import org.jspecify.annotations.NullMarked;
