package dev.dormouse.sidecar.pipeline;

/** Told how many raw bytes are done, by several threads; {@code bytes} may arrive out of order. */
@FunctionalInterface
public interface ProgressListener {
    ProgressListener NONE = (bytes, totalBytes) -> {
    };

    void progress(long bytes, long totalBytes);
}
