package dev.dormouse.operator.desired;

import dev.dormouse.sidecar.api.SidecarEnvironment;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeMount;
import java.util.List;
import java.util.Optional;

/**
 * How this installation runs its sidecars, in replicas and in store pods.
 *
 * @param tlsSecret Secret of every model's namespace with {@code tls.crt} and {@code tls.key}; absent: plain http
 */
public record SidecarSettings(String image, Optional<String> tlsSecret) {
    private static final String TLS_VOLUME = "dormouse-tls";
    private static final String TLS_MOUNT = "/etc/dormouse/tls";

    /** Of probes and of the operator's own requests. */
    String scheme() {
        return tlsSecret.isPresent() ? "HTTPS" : "HTTP";
    }

    List<EnvVar> env() {
        return tlsSecret.map(secret -> new EnvVar(SidecarEnvironment.TLS, TLS_MOUNT, null)).stream().toList();
    }

    List<VolumeMount> mounts() {
        return tlsSecret.map(secret -> Mounts.readOnly(TLS_VOLUME, TLS_MOUNT)).stream().toList();
    }

    List<Volume> volumes() {
        return tlsSecret.map(secret -> Mounts.secret(TLS_VOLUME, secret, false)).stream().toList();
    }
}
