/** Figures of the gateway; nothing here is a test. {@code operator/gateway/bench} runs all of it. */
@NullMarked
package dev.dormouse.gateway.bench;

import org.jspecify.annotations.NullMarked;
