package dev.dormouse.operator.inferencemodel;

import dev.dormouse.operator.desired.SidecarSettings;
import java.time.Duration;

/**
 * The part of the operator's configuration that reconciles read.
 *
 * @param sidecar what the sidecar of every replica is made of
 * @param cleanupDeadline how long a deleted model's pods may drain
 */
public record ReconcileSettings(SidecarSettings sidecar, Duration cleanupDeadline) {}
