package dev.dormouse.operator.inferencemodel;

import dev.dormouse.operator.json.ApiJson;
import dev.dormouse.api.v1alpha1.InferenceModel;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.net.HttpURLConnection;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Our finalizer on a model. Written by a merge patch that names the resource version it is based on: a finalizer that
 * somebody else adds meanwhile is never lost, the patch is refused and the reconcile repeated.
 */
final class ModelFinalizer {
    static final String NAME = "dormouse.dev/cleanup";
    private static final KubernetesSerialization JSON = ApiJson.SHARED;
    private static final PatchContext MERGE = new PatchContext.Builder().withPatchType(PatchType.JSON_MERGE)
            .withFieldManager("dormouse-operator")
            .build();

    private final KubernetesClient client;

    ModelFinalizer(KubernetesClient client) {
        this.client = client;
    }

    void ensure(InferenceModel model) {
        if (!model.hasFinalizer(NAME)) {
            List<String> finalizers = new ArrayList<>(model.getFinalizers());
            finalizers.add(NAME);
            patch(model, finalizers);
        }
    }

    void remove(InferenceModel model) {
        if (model.hasFinalizer(NAME)) {
            patch(model, model.getFinalizers().stream().filter(name -> !name.equals(NAME)).toList());
        }
    }

    private void patch(InferenceModel model, List<String> finalizers) {
        String patch = JSON.asJson(Map.of("metadata", Map.of("uid", model.getMetadata().getUid(), "resourceVersion",
                model.getMetadata().getResourceVersion(), "finalizers", finalizers)));
        try {
            client.resources(InferenceModel.class)
                    .inNamespace(model.getMetadata().getNamespace())
                    .withName(model.getMetadata().getName())
                    .patch(MERGE, patch);
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_NOT_FOUND) {
                throw e;
            }
        }
    }
}
