package dev.dormouse.cli;

import dev.dormouse.cli.local.LocalCluster;
import dev.dormouse.cli.local.LocalOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(name = "local", mixinStandardHelpOptions = true, subcommands = FaultCommand.class, description = "A whole Dormouse on this machine, until Ctrl-C, for kubectl, helm and curl.")
final class LocalCommand implements Callable<Integer> {
    @Option(names = "--port", defaultValue = "8080", paramLabel = "PORT", description = "Port of the gateway on 127.0.0.1; 0 for any free one. Default: ${DEFAULT-VALUE}.")
    private int port;

    @Option(names = "--nodes", defaultValue = "1", paramLabel = "N", description = "Nodes: local, local-2, local-3 ... Default: ${DEFAULT-VALUE}.")
    private int nodes;

    @Option(names = "--gpus", defaultValue = "2", paramLabel = "N", description = "Fake nvidia.com/gpu of each node. Default: ${DEFAULT-VALUE}.")
    private int gpus;

    @Option(names = "--image", paramLabel = "NAME=COMMAND", description = "What else an image name means: a local command. Repeatable.")
    private Map<String, String> images = Map.of();

    @Option(names = "--apply", paramLabel = "FILE", description = "Apply a YAML file once everything runs. Repeatable.")
    private List<Path> apply = List.of();

    @Option(names = "--env", paramLabel = "FILE", description = "Write KUBECONFIG, DORMOUSE_GATEWAY and DORMOUSE_ADMIN as a shell file.")
    private @Nullable Path env;

    @Mixin
    private final BinariesOptions binaries = new BinariesOptions();

    @Spec
    private picocli.CommandLine.Model.@Nullable CommandSpec spec;

    @Override
    public Integer call() throws IOException, InterruptedException {
        checkOptions();
        Path state = Files.createTempDirectory("dormouse-");
        try (Teardown teardown = new Teardown()) {
            LocalOptions options = LocalOptions.of(Dormouse.home(), state.resolve("s"))
                    .withGatewayPort(port)
                    .withNodes(nodes)
                    .withGpus(gpus)
                    .withControlPlane(binaries.controlPlane());
            for (Map.Entry<String, String> image : images.entrySet()) {
                options = options.withImage(image.getKey(), Arrays.asList(image.getValue().trim().split("\\s+")));
            }
            LocalCluster cluster = teardown.owns(LocalCluster.start(options, System.out::println), state);
            for (Path file : apply) {
                cluster.apply(file);
                System.out.println("applied " + file);
            }
            String exports = "export KUBECONFIG=%s%nexport DORMOUSE_GATEWAY=%s%nexport DORMOUSE_ADMIN=%s%n"
                    .formatted(cluster.kubeconfig(), cluster.gateway(), cluster.gatewayAdmin());
            System.out.printf(
                    """

                    %s (docs/local-mode.md). In another shell:

                    %s
                    kubectl apply -f docs/examples/minilm.yaml
                    kubectl get im -w
                    curl $DORMOUSE_GATEWAY/v1/embeddings -H 'Content-Type: application/json' -d '{"model": "all-minilm-l6-v2", "input": "hello"}'

                    Logs: %s. Ctrl-C ends everything and deletes it.
                    """,
                    cluster.description(), exports, cluster.logs());
            if (env != null) {
                publish(env, exports);
            }
            new CountDownLatch(1).await();
        }
        return 0;
    }

    private void checkOptions() {
        if (port < 0 || port > 65535) {
            throw new ParameterException(commandLine(), "--port " + port + ": must be 0 to 65535");
        }
        if (nodes < 1 || nodes > 50) {
            throw new ParameterException(commandLine(), "--nodes " + nodes + ": must be 1 to 50");
        }
        if (gpus < 0) {
            throw new ParameterException(commandLine(), "--gpus " + gpus + ": must not be negative");
        }
        for (Path file : apply) {
            if (!Files.isReadable(file)) {
                throw new ParameterException(commandLine(), "--apply " + file + ": cannot be read");
            }
        }
    }

    private picocli.CommandLine commandLine() {
        if (spec == null) {
            throw new IllegalStateException("picocli injects the spec before call()");
        }
        return spec.commandLine();
    }

    /** Whole or not at all, so that a script may wait for the file. */
    private static void publish(Path file, String content) throws IOException {
        Path next = file.resolveSibling(file.getFileName() + ".tmp");
        Files.writeString(next, content);
        Files.move(next, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }
}
