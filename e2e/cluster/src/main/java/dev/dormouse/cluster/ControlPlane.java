package dev.dormouse.cluster;

import java.net.URI;
import java.nio.file.Path;

/** A Kubernetes API that clients reach through a kubeconfig. Closing it stops what was started for it, and nothing else. */
public sealed interface ControlPlane extends AutoCloseable
        permits LocalControlPlane, KubeconfigControlPlane {

    /** The kubeconfig that {@code kubectl --kubeconfig} and every client library understand; readable by its owner only. */
    Path kubeconfig();

    /** Where it listens, e.g. {@code https://127.0.0.1:6443}. */
    URI apiUrl();

    /** What it is, in a few words for a person: a user must never mistake an embedded server for Kubernetes. */
    String description();

    /**
     * Creates an empty namespace in which pods may be created, whoever else uses the cluster.
     *
     * @param prefix of its name
     * @return its name
     */
    String createNamespace(String prefix);

    /** Whether the kubeconfig may write what belongs to no namespace, such as CustomResourceDefinitions. */
    boolean clusterScope();

    @Override
    void close();
}
