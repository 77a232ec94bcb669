package dev.dormouse.cluster;

import dev.dormouse.cluster.apiserver.ApiServer;
import dev.dormouse.cluster.apiserver.PodLogs;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.util.Base64;

/** The control plane of the local mode: an API server in this JVM, on loopback, gone when closed. */
public final class EmbeddedControlPlane implements ControlPlane {
    private final ApiServer server;
    private final Path kubeconfig;

    private EmbeddedControlPlane(ApiServer server, Path kubeconfig) {
        this.server = server;
        this.kubeconfig = kubeconfig;
    }

    /** Starts on a free port of 127.0.0.1. */
    public static EmbeddedControlPlane start(Path stateFolder) {
        return start(stateFolder, 0);
    }

    /**
     * Starts on a given port of 127.0.0.1; it answers when this returns.
     *
     * @param stateFolder gets {@code kubeconfig}, readable by its owner only; created when missing
     * @param port 0 for any free one
     * @throws UncheckedIOException when the port is taken or the folder cannot be written
     */
    public static EmbeddedControlPlane start(Path stateFolder, int port) {
        try {
            ApiServer server = new ApiServer(port, Clock.systemUTC());
            try {
                return new EmbeddedControlPlane(server, writeKubeconfig(stateFolder, server));
            } catch (IOException e) {
                server.close();
                throw e;
            }
        } catch (IOException e) {
            throw new UncheckedIOException("the embedded control plane cannot start on 127.0.0.1:" + port
                    + " with its state in " + stateFolder + ": " + e.getMessage(), e);
        }
    }

    /**
     * Creates or updates the objects of a YAML stream as {@code kubectl apply --server-side --force-conflicts} does, in
     * namespace {@code default} where none is given. A type that a CustomResourceDefinition brings is served when this
     * returns.
     *
     * @throws IllegalArgumentException naming the object that is refused, and why
     */
    public void apply(String yaml) {
        server.apply(yaml);
    }

    /** Says where {@code kubectl logs} comes from; before, asking for a log is refused. */
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
    public void close() {
        server.close();
        try {
            Files.deleteIfExists(kubeconfig);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + kubeconfig, e);
        }
    }

    private static Path writeKubeconfig(Path folder, ApiServer server) throws IOException {
        String authority = Base64.getEncoder().encodeToString(server.certificate().getBytes(StandardCharsets.UTF_8));
        String text = """
                      apiVersion: v1
                      kind: Config
                      current-context: dormouse
                      clusters:
                      - name: dormouse
                        cluster:
                          server: %s
                          certificate-authority-data: %s
                      users:
                      - name: dormouse
                        user:
                          token: %s
                      contexts:
                      - name: dormouse
                        context:
                          cluster: dormouse
                          user: dormouse
                          namespace: default
                      """.formatted(server.url(), authority, server.token());
        Files.createDirectories(folder);
        Path file = folder.resolve("kubeconfig").toAbsolutePath();
        Files.deleteIfExists(file);
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        return Files.writeString(file, text);
    }
}
