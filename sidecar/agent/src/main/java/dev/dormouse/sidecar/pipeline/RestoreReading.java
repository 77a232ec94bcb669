package dev.dormouse.sidecar.pipeline;

import java.time.Duration;

/**
 * What a restore read, and how long it waited for that.
 *
 * @param storedBytes as they lie on the volume
 * @param reading what a worker spent reading, on average
 * @param elapsed what the whole restore took
 */
public record RestoreReading(long storedBytes, Duration reading, Duration elapsed) {}
