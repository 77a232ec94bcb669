package dev.dormouse.cluster;

import dev.dormouse.cluster.apiserver.PodLogs;
import java.nio.file.Path;

/** A control plane of this machine, ours to fill: local mode puts its types, roles and accounts into it. */
public sealed interface LocalControlPlane extends ControlPlane permits EmbeddedControlPlane, BinaryControlPlane {

    /**
     * Creates or updates the objects of a YAML stream as {@code kubectl apply --server-side --force-conflicts} does, in
     * namespace {@code default} where none is given. A type that a CustomResourceDefinition brings is served when this
     * returns.
     *
     * @throws RuntimeException naming the object that is refused, and why
     */
    void apply(String yaml);

    /**
     * A kubeconfig that speaks for a ServiceAccount, which may do what roles bound to it say and nothing else; the account
     * and its namespace are created when there are none.
     *
     * @return a file in the state folder, readable by its owner only
     */
    Path kubeconfigOf(String namespace, String serviceAccount);

    /** Says where {@code kubectl logs} comes from; before, asking for a log is refused. */
    void registerPodLogs(PodLogs logs);
}
