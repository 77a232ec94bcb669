package dev.dormouse.cluster;

import dev.dormouse.cluster.apiserver.PodLogs;
import io.fabric8.kubeapitest.KubeAPIServer;
import io.fabric8.kubeapitest.KubeAPIServerConfigBuilder;
import io.fabric8.kubeapitest.KubeAPITestException;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A real etcd and kube-apiserver as processes of this machine. There is no kube-controller-manager: what it would do with
 * owners and namespaces, {@link GarbageCollection} does beside it; at most some 250 Services get a cluster IP.
 */
public final class BinaryControlPlane implements LocalControlPlane {
    private static final int START_MILLIS = 60_000;

    private final KubeAPIServer server;
    private final String version;
    private final Path stateFolder;
    private final Path kubeconfig;
    private final URI apiUrl;
    private final KubernetesClient client;
    private final GarbageCollection garbageCollection;

    private BinaryControlPlane(KubeAPIServer server, String version, Path stateFolder) throws IOException {
        this.server = server;
        this.version = version;
        this.stateFolder = stateFolder;
        this.kubeconfig = KubeconfigFile.write(stateFolder.resolve("kubeconfig"), server.getKubeConfigYaml());
        Config config = Config.fromKubeconfig(Files.readString(kubeconfig));
        this.apiUrl = URI.create(config.getMasterUrl());
        this.client = new KubernetesClientBuilder()
                .withConfig(new ConfigBuilder(config).withOnlyHttpWatches(true).build())
                .build();
        this.garbageCollection = GarbageCollection.start(client);
    }

    /**
     * Starts both and waits until they answer.
     *
     * @param stateFolder gets their data and certificates too
     * @throws IOException when they do not start
     */
    static BinaryControlPlane start(ApiServerBinaries binaries, Path stateFolder) throws IOException {
        Path folder = Files.createDirectories(stateFolder.resolve("kube-api-test"));
        Files.createSymbolicLink(folder.resolve("k8s"), binaries.folder().resolve("k8s").toAbsolutePath());
        // The builder, since kube-api-test 7.6.1 fails on its own environment variable KUBE_API_TEST_OFFLINE_MODE.
        KubeAPIServer server = new KubeAPIServer(KubeAPIServerConfigBuilder.anAPIServerConfig()
                .withTestDir(folder.toString())
                .withOfflineMode(true)
                .withApiServerVersion(binaries.version())
                .withStartupTimeout(START_MILLIS)
                .withUpdateKubeConfig(false)
                .build());
        try {
            server.start();
            return new BinaryControlPlane(server, binaries.version(), stateFolder);
        } catch (KubeAPITestException e) {
            server.stop();
            throw new IOException("etcd and kube-apiserver " + binaries.version() + " of " + binaries.folder()
                    + " do not start: " + e.getMessage(), e);
        }
    }

    @Override
    public void apply(String yaml) {
        SetUp.apply(client, yaml);
    }

    @Override
    public Path kubeconfigOf(String namespace, String serviceAccount) {
        return SetUp.kubeconfigOf(client, stateFolder, namespace, serviceAccount);
    }

    /** A kube-apiserver asks the kubelet of a pod's node for its log, over a port that ours has not. */
    @Override
    public void registerPodLogs(PodLogs logs) {}

    @Override
    public Path kubeconfig() {
        return kubeconfig;
    }

    @Override
    public URI apiUrl() {
        return apiUrl;
    }

    @Override
    public String description() {
        return "kube-apiserver " + version + " with etcd, without kube-controller-manager";
    }

    @Override
    public String createNamespace(String prefix) {
        return Namespaces.create(client, prefix);
    }

    @Override
    public boolean clusterScope() {
        return true;
    }

    @Override
    public void close() {
        garbageCollection.close();
        client.close();
        server.stop();
        try {
            Files.deleteIfExists(kubeconfig);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + kubeconfig, e);
        }
    }
}
