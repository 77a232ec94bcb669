package dev.dormouse.operator.inferencemodel;

import java.time.Duration;

/**
 * The part of the operator's configuration that reconciles read.
 *
 * @param sidecarImage image of the sidecar in every replica
 * @param cleanupDeadline how long a deleted model's pods may drain
 */
public record ReconcileSettings(String sidecarImage, Duration cleanupDeadline) {}
