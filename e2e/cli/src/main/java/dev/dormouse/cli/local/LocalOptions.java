package dev.dormouse.cli.local;

import dev.dormouse.cluster.ControlPlaneConfig;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How a {@link LocalCluster} is started.
 *
 * @param home the checkout with the built processes
 * @param state an empty or absent folder; short, because sockets lie below it
 * @param gatewayPort 0 for any free one
 * @param nodes how many; the first is called local, the others local-2, local-3 …
 * @param gpus fake {@code nvidia.com/gpu} of each node
 * @param images image name → local command, beside our own
 * @param operatorSettings extra environment of the operator
 * @param gatewaySettings extra environment of the gateway
 * @param training whether the processes write their ahead-of-time caches when they end
 * @param controlPlane which
 */
public record LocalOptions(Path home, Path state, int gatewayPort, int nodes, int gpus,
        Map<String, List<String>> images,
        Map<String, String> operatorSettings, Map<String, String> gatewaySettings, boolean training,
        ControlPlaneConfig.Local controlPlane) {
    public LocalOptions {
        images = Map.copyOf(images);
        operatorSettings = Map.copyOf(operatorSettings);
        gatewaySettings = Map.copyOf(gatewaySettings);
    }

    public static LocalOptions of(Path home, Path state) {
        return new LocalOptions(home, state, 0, 1, 2, Map.of(), Map.of(), Map.of(), false,
                new ControlPlaneConfig.Embedded());
    }

    public LocalOptions withGatewayPort(int port) {
        return new LocalOptions(home, state, port, nodes, gpus, images, operatorSettings, gatewaySettings, training,
                controlPlane);
    }

    public LocalOptions withNodes(int count) {
        return new LocalOptions(home, state, gatewayPort, count, gpus, images, operatorSettings, gatewaySettings,
                training, controlPlane);
    }

    public LocalOptions withGpus(int ofEachNode) {
        return new LocalOptions(home, state, gatewayPort, nodes, ofEachNode, images, operatorSettings, gatewaySettings,
                training, controlPlane);
    }

    public LocalOptions withImage(String name, List<String> command) {
        return new LocalOptions(home, state, gatewayPort, nodes, gpus, with(images, name, command), operatorSettings,
                gatewaySettings, training, controlPlane);
    }

    public LocalOptions withOperatorSetting(String key, String value) {
        return new LocalOptions(home, state, gatewayPort, nodes, gpus, images, with(operatorSettings, key, value),
                gatewaySettings, training, controlPlane);
    }

    public LocalOptions withGatewaySetting(String key, String value) {
        return new LocalOptions(home, state, gatewayPort, nodes, gpus, images, operatorSettings,
                with(gatewaySettings, key, value), training, controlPlane);
    }

    public LocalOptions withTraining() {
        return new LocalOptions(home, state, gatewayPort, nodes, gpus, images, operatorSettings, gatewaySettings, true,
                controlPlane);
    }

    public LocalOptions withControlPlane(ControlPlaneConfig.Local config) {
        return new LocalOptions(home, state, gatewayPort, nodes, gpus, images, operatorSettings, gatewaySettings,
                training, config);
    }

    private static <V> Map<String, V> with(Map<String, V> map, String key, V value) {
        Map<String, V> more = new HashMap<>(map);
        more.put(key, value);
        return more;
    }
}
