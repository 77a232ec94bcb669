/**
 * Unix domain sockets that carry file descriptors, and the memory behind them: what the JDK's own sockets lack, through
 * {@code java.lang.foreign}. Linux only.
 */
@NullMarked
package dev.dormouse.sidecar.transport;

import org.jspecify.annotations.NullMarked;
