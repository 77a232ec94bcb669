/**
 * Unix sockets that carry {@link dev.dormouse.sidecar.api.EngineMessage}s and file descriptors, and shared memory behind
 * such descriptors. The JDK can pass no descriptors, so this talks to the C library by {@code java.lang.foreign}; Linux
 * only. Calls block in native code: use platform threads.
 */
@NullMarked
package dev.dormouse.sidecar.transport;

import org.jspecify.annotations.NullMarked;
