package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;

/** Gives every namespace what pods rely on: the ServiceAccount {@code default}, and the certificate to trust. */
final class NamespaceContents implements Controllers.Controller {
    private static final WriteOptions OPTIONS = WriteOptions.internal("dormouse-control-plane");

    private final ResourceTypes types;
    private final ObjectLifecycle objects;
    private final String certificate;

    /** @param certificate in PEM */
    NamespaceContents(ResourceTypes types, ObjectLifecycle objects, String certificate) {
        this.types = types;
        this.objects = objects;
        this.certificate = certificate;
    }

    @Override
    public void changed(String resource, ApiObject object) {
        if (resource.equals("namespaces") && !object.deleting()) {
            create("serviceaccounts", object.name(), "default", Json.object());
            ObjectNode trust = Json.object();
            trust.putObject("data").put("ca.crt", certificate);
            create("configmaps", object.name(), "kube-root-ca.crt", trust);
        }
    }

    /** A deleted one comes back, as from kube-controller-manager. */
    @Override
    public void deleted(String resource, ApiObject object) {
        boolean ours = resource.equals("serviceaccounts") && object.name().equals("default")
                || resource.equals("configmaps") && object.name().equals("kube-root-ca.crt");
        if (ours) {
            objects.find(types.get("namespaces"), new Store.Key("", object.namespace()))
                    .ifPresent(namespace -> changed("namespaces", namespace));
        }
    }

    private void create(String resource, String namespace, String name, ObjectNode json) {
        ResourceType type = types.get(resource);
        if (objects.find(type, new Store.Key(namespace, name)).isPresent()) {
            return;
        }
        ApiObject.metadataOf(json).put("name", name);
        try {
            objects.create(type, namespace, json, OPTIONS);
        } catch (ApiException e) {
            if (e.code() != 409 && e.code() != 403 && e.code() != 404) { // somebody was faster, or the namespace is going
                throw e;
            }
        }
    }
}
