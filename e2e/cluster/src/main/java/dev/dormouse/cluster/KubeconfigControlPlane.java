package dev.dormouse.cluster;

import io.fabric8.kubernetes.api.model.Namespace;
import io.fabric8.kubernetes.api.model.rbac.RoleBindingBuilder;
import io.fabric8.kubernetes.api.model.rbac.RoleBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Somebody else's cluster, of which it touches nothing but namespaces that it created itself. That is the cluster's own
 * promise: the kubeconfig handed out is that of a ServiceAccount which may do everything within those namespaces and
 * nothing outside. The rights of the given kubeconfig serve only to create and delete them.
 */
public final class KubeconfigControlPlane implements ControlPlane {
    private static final String ACCOUNT = "dormouse-guest";

    private final KubernetesClient host;
    private final List<Namespace> created = new ArrayList<>();
    private final String home;
    private final Path kubeconfig;

    private KubeconfigControlPlane(KubernetesClient host, Path stateFolder) throws IOException {
        this.host = host;
        try {
            home = newNamespace("dormouse-");
            ServiceAccounts.ensure(host, home, ACCOUNT);
            admitGuest(home);
            kubeconfig = ServiceAccounts.writeKubeconfig(host, home, ACCOUNT, stateFolder.resolve("kubeconfig"));
        } catch (IOException | KubernetesClientException e) {
            close();
            throw e;
        }
    }

    /**
     * Connects, creates a first namespace and the account in it.
     *
     * @param file its current context is meant
     * @throws IOException when the file cannot be read, or its user may not do this, in the cluster's words
     */
    static KubeconfigControlPlane start(Path file, Path stateFolder) throws IOException {
        if (!Files.isReadable(file)) {
            throw new IOException("no kubeconfig can be read at " + file + ": check -Dcluster.kubeconfig");
        }
        Config config = Config.fromKubeconfig(file.toFile());
        KubernetesClient host = new KubernetesClientBuilder()
                .withConfig(new ConfigBuilder(config).withOnlyHttpWatches(true).build())
                .build();
        try {
            return new KubeconfigControlPlane(host, stateFolder);
        } catch (KubernetesClientException e) {
            throw new IOException("the user of " + file + " must be allowed to create namespaces, service accounts with"
                    + " tokens, roles and role bindings: " + e.getMessage(), e);
        }
    }

    /** Remembered before anything else happens in it, so that it goes whatever fails after. */
    private String newNamespace(String prefix) {
        String name = Namespaces.create(host, prefix);
        created.add(host.namespaces().withName(name).require());
        return name;
    }

    private void admitGuest(String namespace) {
        host.resource(new RoleBuilder().withNewMetadata()
                .withName(ACCOUNT)
                .withNamespace(namespace)
                .endMetadata()
                .addNewRule()
                .withApiGroups("*")
                .withResources("*")
                .withVerbs("*")
                .endRule()
                .build()).create();
        host.resource(new RoleBindingBuilder().withNewMetadata()
                .withName(ACCOUNT)
                .withNamespace(namespace)
                .endMetadata()
                .withNewRoleRef("rbac.authorization.k8s.io", "Role", ACCOUNT)
                .addNewSubject()
                .withKind("ServiceAccount")
                .withName(ACCOUNT)
                .withNamespace(home)
                .endSubject()
                .build()).create();
    }

    @Override
    public Path kubeconfig() {
        return kubeconfig;
    }

    @Override
    public URI apiUrl() {
        return URI.create(host.getConfiguration().getMasterUrl());
    }

    @Override
    public String description() {
        return "the cluster at " + apiUrl() + ", within namespaces of its own";
    }

    @Override
    public synchronized String createNamespace(String prefix) {
        String name = newNamespace(prefix);
        admitGuest(name);
        return name;
    }

    @Override
    public boolean clusterScope() {
        return false;
    }

    /** Asks the cluster to delete its namespaces. */
    @Override
    public synchronized void close() {
        try {
            while (!created.isEmpty()) {
                delete(created.removeLast());
            }
            if (kubeconfig != null) {
                Files.deleteIfExists(kubeconfig);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + kubeconfig, e);
        } finally {
            host.close();
        }
    }

    /** Exactly this one: should it be gone, another of its name is somebody else's. */
    private void delete(Namespace namespace) {
        Namespace present = host.resource(namespace).get();
        if (present != null && present.getMetadata().getUid().equals(namespace.getMetadata().getUid())) {
            host.resource(present).lockResourceVersion().delete();
        }
    }
}
