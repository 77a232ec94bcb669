package dev.dormouse.cluster;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Properties;

/**
 * Which control plane to run against: {@code -Dcluster=embedded}, the default.
 */
public sealed interface ControlPlaneConfig {

    /** Our own API server, in this JVM. */
    record Embedded() implements ControlPlaneConfig {
        @Override
        public ControlPlane start(Path stateFolder) {
            return EmbeddedControlPlane.start(stateFolder);
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
            default -> throw new IllegalArgumentException(
                    "cluster=" + kind + ": use embedded");
        };
    }

    /**
     * Starts it, or connects to it; it answers when this returns.
     *
     * @param stateFolder gets the kubeconfig to use, readable by its owner only; created when missing
     * @throws IOException when it cannot be had, saying why and what to do
     */
    ControlPlane start(Path stateFolder) throws IOException;
}
