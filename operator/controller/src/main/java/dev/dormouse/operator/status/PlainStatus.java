package dev.dormouse.operator.status;

import dev.dormouse.operator.json.ApiJson;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceBuilder;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.net.HttpURLConnection;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Writes the status of a type that the operator alone writes, by server-side apply with the plain client, and only when it
 * says something new. Remembers what it wrote until the cache has caught up.
 *
 * @param <S> type of the status
 */
public final class PlainStatus<S> {
    private static final KubernetesSerialization JSON = ApiJson.SHARED;
    private static final PatchContext APPLY = new PatchContext.Builder().withPatchType(PatchType.SERVER_SIDE_APPLY)
            .withFieldManager(StatusWriter.FIELD_MANAGER)
            .withForce(true)
            .build();

    private final KubernetesClient client;
    private final ResourceDefinitionContext type;
    private final Map<String, ObjectNode> written = new ConcurrentHashMap<>();

    public PlainStatus(KubernetesClient client, Class<? extends CustomResource<?, S>> type) {
        this.client = client;
        this.type = ResourceDefinitionContext.fromResourceType(type);
    }

    /** @return whether anything was written; one that is gone meanwhile is fine */
    public boolean write(CustomResource<?, S> cached, S next) {
        ObjectNode tree = JSON.convertValue(next, ObjectNode.class);
        String uid = cached.getMetadata().getUid();
        ObjectNode known = written.get(uid);
        if (tree.equals(known == null ? JSON.convertValue(cached.getStatus(), ObjectNode.class) : known)) {
            return false;
        }
        GenericKubernetesResource fresh = new GenericKubernetesResourceBuilder().withApiVersion(cached.getApiVersion())
                .withKind(cached.getKind())
                .withNewMetadata()
                .withName(cached.getMetadata().getName())
                .withNamespace(cached.getMetadata().getNamespace())
                .endMetadata()
                .addToAdditionalProperties("status", tree)
                .build();
        try {
            var resources = client.genericKubernetesResources(type);
            String namespace = cached.getMetadata().getNamespace();
            (namespace == null ? resources.resource(fresh) : resources.inNamespace(namespace).resource(fresh))
                    .subresource("status")
                    .patch(APPLY);
            written.put(uid, tree);
            return true;
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_NOT_FOUND) {
                throw e;
            }
            return false;
        }
    }

    public void forget(CustomResource<?, S> resource) {
        written.remove(Objects.requireNonNull(resource.getMetadata().getUid()));
    }
}
