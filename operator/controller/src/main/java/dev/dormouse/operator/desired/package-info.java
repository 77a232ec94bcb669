/** Specs to Kubernetes objects, as pure functions: no client, no clock, no environment. */
@NullMarked
package dev.dormouse.operator.desired;

import org.jspecify.annotations.NullMarked;
