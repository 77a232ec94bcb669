package dev.dormouse.cluster.apiserver;

/**
 * What a request wants to do, as far as access is concerned: something to a resource, or to a path that is none.
 *
 * @param verb {@code get list watch create update patch delete deletecollection}, or one that a review asks about
 * @param namespace empty for the whole cluster
 * @param name empty for all of them
 * @param path of a request that is about no resource; then the rest but the verb is empty
 */
record Attributes(String verb, String group, String resource, String subresource, String namespace, String name,
        String path) {

    static Attributes ofPath(String verb, String path) {
        return new Attributes(verb, "", "", "", "", "", path);
    }

    /** As RBAC rules name it: {@code pods/log}. */
    String qualifiedResource() {
        return subresource.isEmpty() ? resource : resource + "/" + subresource;
    }

    /** The end of "user x cannot": in kube-apiserver's words. */
    @Override
    public String toString() {
        if (!path.isEmpty()) {
            return verb + " path \"" + path + "\"";
        }
        return verb + " resource \"" + qualifiedResource() + "\" in API group \"" + group + "\" "
                + (namespace.isEmpty() ? "at the cluster scope" : "in the namespace \"" + namespace + "\"");
    }
}
