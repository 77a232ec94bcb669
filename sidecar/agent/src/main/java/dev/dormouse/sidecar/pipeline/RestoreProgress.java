package dev.dormouse.sidecar.pipeline;

import java.time.Duration;

/**
 * How far a restore is.
 *
 * @param bytes raw bytes in device memory and checked
 * @param totalBytes raw bytes to restore
 * @param elapsed since the restore began, until now or its end
 */
public record RestoreProgress(long bytes, long totalBytes, Duration elapsed) {
    /** 0–100. */
    public double percent() {
        return totalBytes == 0 ? 100 : 100.0 * bytes / totalBytes;
    }
}
