package dev.dormouse.operator.inferencemodel;

import dev.dormouse.operator.status.ObservedReplica;
import dev.dormouse.sidecar.api.SidecarStatus;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Pods in whatever state, seen as the operator sees them. */
public final class ObservedPods {
    /** Once: each scans the class path for types. */
    private static final KubernetesSerialization YAML = new KubernetesSerialization();

    private ObservedPods() {}

    /** @param status the pod's status as YAML, indented by two after its first line */
    public static ObservedReplica of(String status, @Nullable SidecarStatus report, Instant now) {
        Pod pod = YAML.unmarshal(
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: m-x, namespace: demo, uid: u, resourceVersion: "1", creationTimestamp: "2026-11-21T00:01:00Z"}
                spec: {nodeName: node-1, volumes: [{name: s, persistentVolumeClaim: {claimName: m-snapshots}}, {name: k, secret: {secretName: m-keys}}]}
                status:
                  %s
                """
                        .formatted(status),
                Pod.class);
        return new PodObserver(true, Duration.ofSeconds(60), now).observe(pod, Optional.ofNullable(report));
    }
}
