/**
 * The CUDA driver, and what an engine written in Java uses to have device memory in one of the modes of
 * {@link dev.dormouse.sidecar.api.EngineMessage.Memory}. JCuda wherever it works, {@code java.lang.foreign} for what it
 * lacks or breaks: the only package that knows either. Addresses of device memory are plain {@code long}s. A CUDA context
 * is current on an OS thread, so everything here wants platform threads.
 */
@NullMarked
package dev.dormouse.sidecar.cuda;

import org.jspecify.annotations.NullMarked;
