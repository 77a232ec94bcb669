package dev.dormouse.cli;

import dev.dormouse.cluster.ControlPlaneConfig;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Whether local mode stands on our own API server or on a real one. */
final class BinariesOptions {
    @Option(names = "--binaries", paramLabel = "DIR", description = "A real etcd and kube-apiserver instead of the embedded control plane: DIR holds k8s/<version>-linux-amd64/{etcd,kube-apiserver,kubectl}.")
    private @Nullable Path folder;

    @Option(names = "--kubernetes-version", paramLabel = "VERSION", description = "With --binaries: which of them, such as 1.34.1. Default: the newest.")
    private @Nullable String version;

    boolean given() {
        return folder != null;
    }

    ControlPlaneConfig.Local controlPlane() {
        return folder == null
                ? new ControlPlaneConfig.Embedded()
                : new ControlPlaneConfig.Binaries(folder, Optional.ofNullable(version));
    }
}
