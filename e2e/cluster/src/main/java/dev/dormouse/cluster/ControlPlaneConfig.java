package dev.dormouse.cluster;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Properties;

/**
 * Which control plane to run against: {@code -Dcluster=embedded} (the default), {@code binaries} or {@code kubeconfig}, each
 * with settings of its own.
 */
public sealed interface ControlPlaneConfig {

    /** One that is ours alone, on this machine. */
    sealed interface Local extends ControlPlaneConfig permits Embedded, Binaries {
        @Override
        LocalControlPlane start(Path stateFolder) throws IOException;
    }

    /** Our own API server, in this JVM. */
    record Embedded() implements Local {
        @Override
        public LocalControlPlane start(Path stateFolder) {
            return EmbeddedControlPlane.start(stateFolder);
        }
    }

    /**
     * A real etcd and kube-apiserver, as processes of this machine.
     *
     * @param folder {@code -Dcluster.binaries}: holds {@code k8s/<version>-linux-amd64/{etcd,kube-apiserver,kubectl}}
     * @param version {@code -Dcluster.version}, such as {@code 1.34.1}; empty: the newest one in the folder
     */
    record Binaries(Path folder, Optional<String> version) implements Local {
        @Override
        public LocalControlPlane start(Path stateFolder) throws IOException {
            return BinaryControlPlane.start(ApiServerBinaries.find(folder, version), stateFolder);
        }
    }

    /**
     * Somebody else's cluster.
     *
     * @param file {@code -Dcluster.kubeconfig}, whose current context is meant
     */
    record Kubeconfig(Path file) implements ControlPlaneConfig {
        @Override
        public ControlPlane start(Path stateFolder) throws IOException {
            return KubeconfigControlPlane.start(file, stateFolder);
        }
    }

    /**
     * Reads the system properties named above.
     *
     * @throws IllegalArgumentException naming the key, its value and what it may be
     */
    static ControlPlaneConfig of(Properties properties) {
        String kind = properties.getProperty("cluster", "embedded");
        return switch (kind) {
            case "embedded" -> new Embedded();
            case "binaries" -> new Binaries(path(properties, "cluster.binaries",
                    "the folder that holds k8s/<version>-linux-amd64/ with etcd, kube-apiserver and kubectl"),
                    Optional.ofNullable(properties.getProperty("cluster.version")));
            case "kubeconfig" ->
                new Kubeconfig(path(properties, "cluster.kubeconfig", "the kubeconfig of the cluster"));
            default -> throw new IllegalArgumentException(
                    "cluster=" + kind + ": use embedded, binaries or kubeconfig");
        };
    }

    private static Path path(Properties properties, String key, String meaning) {
        String value = properties.getProperty(key, "");
        if (value.isEmpty()) {
            throw new IllegalArgumentException("cluster=" + properties.getProperty("cluster") + " needs " + key + ", "
                    + meaning + ": add -D" + key + "=…");
        }
        return Path.of(value);
    }

    /**
     * Starts it, or connects to it; it answers when this returns.
     *
     * @param stateFolder gets the kubeconfig to use, readable by its owner only; created when missing
     * @throws IOException when it cannot be had, saying why and what to do
     */
    ControlPlane start(Path stateFolder) throws IOException;
}
