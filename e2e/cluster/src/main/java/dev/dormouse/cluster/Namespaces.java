package dev.dormouse.cluster;

import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;

/** Namespaces that pods can be created in. */
final class Namespaces {
    private Namespaces() {}

    /**
     * Creates one, with the service account that pods have when they name none: on most clusters a controller makes it a
     * moment later, and on a bare kube-apiserver nobody does.
     *
     * @return its name
     */
    static String create(KubernetesClient client, String prefix) {
        String name = client.resource(new NamespaceBuilder().withNewMetadata()
                .withGenerateName(prefix)
                .endMetadata()
                .build()).create().getMetadata().getName();
        ServiceAccounts.ensure(client, name, "default");
        return name;
    }
}
