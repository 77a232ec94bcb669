package dev.dormouse.operator.modelsnapshot;

import dev.dormouse.domain.snapshot.RetentionRule;
import dev.dormouse.operator.desired.VolumeTrust;

/**
 * A model that keeps its snapshots on a volume.
 *
 * @param key under which it saves them
 * @param trust with which keys
 */
public record VolumeUser(RetentionRule retention, String key, VolumeTrust trust) {}
