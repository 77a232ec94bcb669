package dev.dormouse.operator.inferencemodel;

import dev.dormouse.operator.demand.GatewayScraper;
import dev.dormouse.operator.modelsnapshot.Volumes;
import dev.dormouse.operator.observe.EventRecorder;
import dev.dormouse.operator.observe.OperatorMetrics;
import dev.dormouse.operator.sidecar.SidecarFollower;
import dev.dormouse.operator.status.StatusWriter;
import dev.dormouse.operator.warmup.WarmupQueue;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.time.Clock;

/** What every reconcile needs beside the resource itself. */
public record Services(KubernetesClient client, ReconcileSettings settings, Clock clock, StatusWriter statuses,
        SidecarFollower sidecars, GatewayScraper gateways, WarmupQueue warmups, EventRecorder events,
        OperatorMetrics metrics, Volumes volumes, WakeTrace traces) {}
