package dev.dormouse.cli.local;

import dev.dormouse.cluster.LocalControlPlane;
import dev.dormouse.cluster.kubelet.ClaimBinder;
import dev.dormouse.cluster.kubelet.ImageTable;
import dev.dormouse.cluster.kubelet.LocalNodes;
import dev.dormouse.cluster.kubelet.LocalScheduler;
import dev.dormouse.cluster.kubelet.NodeConfig;
import dev.dormouse.cluster.kubelet.NodeLifecycle;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaimBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * A whole Dormouse on this machine: control plane and node in this JVM, operator and gateway as processes of their own.
 * Closing it ends every process and deletes the state folder.
 */
public final class LocalCluster implements AutoCloseable {
    private static final Duration START = Duration.ofSeconds(60);
    private static final Duration DRAIN = Duration.ofSeconds(30);
    /** A node that is silent for four of them is not ready; a cluster waits 40 s. */
    private static final Duration HEARTBEAT = Duration.ofSeconds(2);
    /** A kubelet takes up to a minute and more. */
    private static final Duration VOLUME_REFRESH = Duration.ofSeconds(2);
    private static final String MODELS_CLAIM = "models";
    private static final String DEMO_MODEL = "all-minilm-l6-v2";

    private final LocalOptions options;
    private final Deque<AutoCloseable> open = new ArrayDeque<>();
    private final Duration controlPlaneStart;
    private final LocalControlPlane controlPlane;
    private final KubernetesClient client;
    private final int gatewayPort;
    private final int gatewayInternalPort;
    private final int gatewayAdminPort;
    private final int operatorPort;
    private ChildProcess operator;
    private ChildProcess gateway;

    /**
     * Starts everything and returns when the gateway answers.
     *
     * @param say gets a line per step
     * @throws IOException naming the step that failed, with the end of its log
     */
    public static LocalCluster start(LocalOptions options, Consumer<String> say)
            throws IOException, InterruptedException {
        return new LocalCluster(options, say);
    }

    private LocalCluster(LocalOptions options, Consumer<String> say) throws IOException, InterruptedException {
        this.options = options;
        try {
            Files.createDirectories(options.state());
            open.push(() -> deleteTree(options.state()));
            long begin = System.nanoTime();
            controlPlane = options.controlPlane().start(options.state().resolve("api"));
            open.push(controlPlane);
            controlPlaneStart = Duration.ofNanos(System.nanoTime() - begin);
            say.accept("control plane %s at %s (%d ms)".formatted(controlPlane.description(), controlPlane.apiUrl(),
                    controlPlaneStart.toMillis()));
            client = client(controlPlane.kubeconfig());
            open.push(client);
            for (String type : List.of("inferencemodels", "modelsnapshots", "gpupools")) {
                applyResource("/crds/" + type + ".dormouse.dev.yaml");
            }
            applyResource("rbac.yaml");
            provideModels();
            startNodes();
            gatewayPort = options.gatewayPort() == 0 ? freePort() : options.gatewayPort();
            gatewayInternalPort = freePort();
            gatewayAdminPort = freePort();
            operatorPort = freePort();
            operator = startOperator();
            gateway = startGateway();
            operator.awaitOk(URI.create("http://127.0.0.1:" + operatorPort + "/readyz"), START);
            say.accept("operator ready (pid " + operator.pid() + ")");
            gateway.awaitOk(URI.create("http://127.0.0.1:" + gatewayInternalPort + "/readyz"), START);
            say.accept("gateway ready at " + gateway() + " (pid " + gateway.pid() + ")");
        } catch (IOException | InterruptedException | RuntimeException e) {
            close();
            throw e;
        }
    }

    public Path home() {
        return options.home();
    }

    public Path kubeconfig() {
        return controlPlane.kubeconfig();
    }

    /** What the control plane is, for a person. */
    public String description() {
        return controlPlane.description();
    }

    /** From the first call to serving, without the JVM's own start. */
    public Duration controlPlaneStart() {
        return controlPlaneStart;
    }

    public URI gateway() {
        return URI.create("http://127.0.0.1:" + gatewayPort);
    }

    public URI gatewayInternal() {
        return URI.create("http://127.0.0.1:" + gatewayInternalPort);
    }

    public URI gatewayAdmin() {
        return URI.create("http://127.0.0.1:" + gatewayAdminPort);
    }

    public KubernetesClient client() {
        return client;
    }

    public ChildProcess operatorProcess() {
        return operator;
    }

    public ChildProcess gatewayProcess() {
        return gateway;
    }

    /** The folder behind a claim. */
    public Path claimFolder(String namespace, String claim) {
        return options.state().resolve("claims").resolve(namespace).resolve(claim);
    }

    public Path logs() {
        return options.state().resolve("log");
    }

    /** Starts the operator again after it was stopped or killed, and waits until it is ready. */
    public void restartOperator() throws IOException, InterruptedException {
        operator.close();
        operator = startOperator();
        operator.awaitOk(URI.create("http://127.0.0.1:" + operatorPort + "/readyz"), START);
    }

    /** Starts the gateway again after it was stopped or killed, and waits until it is ready. */
    public void restartGateway() throws IOException, InterruptedException {
        gateway.close();
        gateway = startGateway();
        gateway.awaitOk(URI.create("http://127.0.0.1:" + gatewayInternalPort + "/readyz"), START);
    }

    /** Server-side apply of every object in a YAML file. */
    public void apply(Path yaml) throws IOException {
        try (InputStream in = Files.newInputStream(yaml)) {
            apply(in);
        }
    }

    /** Server-side apply of every object in a YAML stream, namespace {@code default} where none is given. */
    public void apply(InputStream yaml) {
        for (HasMetadata object : client.load(yaml).items()) {
            client.resource(object)
                    .inNamespace(
                            object.getMetadata().getNamespace() == null
                                    ? "default"
                                    : object.getMetadata().getNamespace())
                    .patch(new PatchContext.Builder().withPatchType(PatchType.SERVER_SIDE_APPLY)
                            .withFieldManager("dormouse-local")
                            .withForce(true)
                            .build());
        }
    }

    private void applyResource(String name) throws IOException {
        try (InputStream in = LocalCluster.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IOException(name + " is not on the class path");
            }
            controlPlane.apply(new String(in.readAllBytes(), StandardCharsets.UTF_8));
        }
    }

    private static KubernetesClient client(Path kubeconfig) throws IOException {
        Config config = new ConfigBuilder(Config.fromKubeconfig(Files.readString(kubeconfig))).withOnlyHttpWatches(true)
                .build();
        return new KubernetesClientBuilder().withConfig(config).build();
    }

    private void startNodes() throws IOException {
        ImageTable images = ImageTable.of(image("dormouse/sidecar", App.Sidecar.command(home(), options.training())),
                image("dormouse/engine-onnx", App.OnnxEngine.command(home(), options.training())));
        for (Map.Entry<String, List<String>> image : options.images().entrySet()) {
            images = images.with(image(image.getKey(), image.getValue()));
        }
        List<NodeConfig> nodes = new ArrayList<>();
        for (int i = 1; i <= options.nodes(); i++) {
            nodes.add(NodeConfig.of(i == 1 ? "local" : "local-" + i, options.state(), images)
                    .withCapacity("nvidia.com/gpu", Integer.toString(options.gpus()))
                    .withHeartbeat(Optional.of(HEARTBEAT))
                    .withVolumeRefresh(VOLUME_REFRESH)
                    .withStartupProbeInterval(Duration.ofMillis(10)));
        }
        open.push(ClaimBinder.start(client, options.state()));
        open.push(LocalScheduler.start(client));
        LocalNodes running = LocalNodes.start(client, nodes);
        open.push(running);
        open.push(NodeLifecycle.start(client, HEARTBEAT.multipliedBy(4)));
        controlPlane.registerPodLogs(running.logs());
    }

    private static ImageTable.Image image(String name, List<String> command) {
        return ImageTable.Image.of(name, command.toArray(String[]::new));
    }

    /** The claim that the sample models name, holding what the build unpacked from Maven Central. */
    private void provideModels() throws IOException {
        client.persistentVolumeClaims()
                .inNamespace("default")
                .resource(new PersistentVolumeClaimBuilder().withNewMetadata()
                        .withName(MODELS_CLAIM)
                        .withNamespace("default")
                        .endMetadata()
                        .withNewSpec()
                        .withAccessModes("ReadWriteMany")
                        .withNewResources()
                        .addToRequests("storage", new Quantity("1Gi"))
                        .endResources()
                        .endSpec()
                        .build())
                .create();
        Path source = home().resolve("sidecar/engines/onnx/target/models").resolve(DEMO_MODEL);
        if (!Files.isDirectory(source)) {
            throw new IOException(source + " is missing: build first with ./dormouse or mvn package");
        }
        Path claim = claimFolder("default", MODELS_CLAIM);
        Files.createDirectories(claim);
        Files.createSymbolicLink(claim.resolve(DEMO_MODEL), source);
    }

    /** Each process may do what the chart's roles grant it, and nothing else. */
    private String kubeconfigOf(String process) {
        return controlPlane.kubeconfigOf("dormouse-system", "dormouse-" + process).toString();
    }

    private ChildProcess startOperator() throws IOException {
        Map<String, String> environment = new HashMap<>(Map.of("KUBECONFIG", kubeconfigOf("operator"), "DORMOUSE_BIND",
                "127.0.0.1", "DORMOUSE_HTTP_PORT", Integer.toString(operatorPort), "DORMOUSE_GATEWAY_URL",
                "http://127.0.0.1:" + gatewayInternalPort));
        environment.put("DORMOUSE_LEADER_ELECTION", "false"); // there is one operator, and nobody to wait for
        environment.putAll(options.operatorSettings());
        return started("operator", App.Operator, environment);
    }

    private ChildProcess startGateway() throws IOException {
        Map<String, String> environment = new HashMap<>(Map.of("KUBECONFIG", kubeconfigOf("gateway"), "DORMOUSE_BIND",
                "127.0.0.1", "DORMOUSE_PORT", Integer.toString(gatewayPort), "DORMOUSE_INTERNAL_PORT",
                Integer.toString(gatewayInternalPort), "DORMOUSE_ADMIN_PORT", Integer.toString(gatewayAdminPort)));
        environment.putAll(options.gatewaySettings());
        return started("gateway", App.Gateway, environment);
    }

    private ChildProcess started(String name, App app, Map<String, String> environment) throws IOException {
        Files.createDirectories(logs());
        ChildProcess process = ChildProcess.start(name, app.command(home(), options.training()), environment,
                logs().resolve(name + ".log"));
        open.push(() -> process.stop(DRAIN));
        return process;
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    /** Ends everything in reverse order of its start; the first failure is thrown after all were tried. */
    @Override
    public void close() {
        RuntimeException failure = null;
        while (!open.isEmpty()) {
            try {
                open.pop().close();
            } catch (Exception e) {
                if (failure == null) {
                    failure = new IllegalStateException("local mode did not end cleanly", e);
                } else {
                    failure.addSuppressed(e);
                }
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    private static void deleteTree(Path root) throws IOException {
        if (!Files.exists(root)) {
            return;
        }
        try (Stream<Path> files = Files.walk(root)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> {
                try {
                    Files.deleteIfExists(file);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        }
    }
}
