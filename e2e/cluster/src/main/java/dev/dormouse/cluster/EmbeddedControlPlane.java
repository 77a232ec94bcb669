package dev.dormouse.cluster;

import dev.dormouse.cluster.apiserver.ApiServer;
import dev.dormouse.cluster.apiserver.PodLogs;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;

/** The control plane of the local mode: an API server in this JVM, on loopback, gone when closed. */
public final class EmbeddedControlPlane implements LocalControlPlane {
    private final ApiServer server;
    private final Path stateFolder;
    private final Path kubeconfig;

    private EmbeddedControlPlane(ApiServer server, Path stateFolder, Path kubeconfig) {
        this.server = server;
        this.stateFolder = stateFolder;
        this.kubeconfig = kubeconfig;
    }

    /** Starts on a free port of 127.0.0.1. */
    public static EmbeddedControlPlane start(Path stateFolder) {
        return start(stateFolder, 0);
    }

    /**
     * Starts on a given port of 127.0.0.1; it answers when this returns.
     *
     * @param stateFolder keeps everything: a control plane that starts there again goes on where this one ended. It gets a
     *     {@code kubeconfig}, readable by its owner only; created when missing
     * @param port 0 for any free one
     * @throws UncheckedIOException when the port is taken or the folder cannot be written
     */
    public static EmbeddedControlPlane start(Path stateFolder, int port) {
        try {
            ApiServer server = new ApiServer(stateFolder, port, Clock.systemUTC());
            try {
                return new EmbeddedControlPlane(server, stateFolder,
                        writeKubeconfig(stateFolder.resolve("kubeconfig"), server, server.token()));
            } catch (IOException e) {
                server.close();
                throw e;
            }
        } catch (IOException e) {
            throw new UncheckedIOException("the embedded control plane cannot start on 127.0.0.1:" + port
                    + " with its state in " + stateFolder + ": " + e.getMessage(), e);
        }
    }

    @Override
    public void apply(String yaml) {
        server.apply(yaml);
    }

    @Override
    public Path kubeconfigOf(String namespace, String serviceAccount) {
        String token = server.token(namespace, serviceAccount);
        Path file = stateFolder.resolve("kubeconfig-" + namespace + "-" + serviceAccount);
        try {
            return writeKubeconfig(file, server, token);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file, e);
        }
    }

    @Override
    public void registerPodLogs(PodLogs logs) {
        server.registerPodLogs(logs);
    }

    @Override
    public Path kubeconfig() {
        return kubeconfig;
    }

    @Override
    public URI apiUrl() {
        return server.url();
    }

    @Override
    public String description() {
        return ApiServer.VERSION + ", an embedded control plane, not Kubernetes";
    }

    @Override
    public String createNamespace(String prefix) {
        String name = prefix + HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
        server.apply("{apiVersion: v1, kind: Namespace, metadata: {name: %s}}".formatted(name));
        return name;
    }

    @Override
    public boolean clusterScope() {
        return true;
    }

    @Override
    public void close() {
        server.close();
        try {
            Files.deleteIfExists(kubeconfig);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + kubeconfig, e);
        }
    }

    private static Path writeKubeconfig(Path path, ApiServer server, String token) throws IOException {
        return KubeconfigFile.write(path,
                KubeconfigFile.withToken(server.url().toString(), server.certificate(), token, "default"));
    }
}
