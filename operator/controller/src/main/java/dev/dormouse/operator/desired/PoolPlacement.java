package dev.dormouse.operator.desired;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.operator.json.ApiJson;
import dev.dormouse.api.v1alpha1.GpuPoolSpec;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceBuilder;
import io.fabric8.kubernetes.api.model.OwnerReferenceBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * How a pool shapes the pods of its models: node selector, tolerations, the chosen node, and for {@code allocation: DRA}
 * one claim of GPUs that engine and sidecar share. A plain device plugin cannot give one GPU to two containers.
 *
 * @param hostname label {@code kubernetes.io/hostname} of the chosen node; absent: the cluster chooses
 */
public record PoolPlacement(String name, GpuPoolSpec pool, Optional<String> hostname) {
    private static final String HOSTNAME = "kubernetes.io/hostname";
    private static final String CLAIM = "gpus";
    private static final KubernetesSerialization JSON = ApiJson.SHARED;

    /** GPUs that a replica asks for: the engine's limit of the pool's resource. */
    public static int gpus(InferenceModel model, GpuPoolSpec pool) {
        return Optional.ofNullable(model.getSpec().engine().resources())
                .map(resources -> resources.getLimits())
                .map(limits -> limits.get(pool.resourceName()))
                .map(Quantity::getNumericalAmount)
                .map(amount -> amount.intValue())
                .orElse(0);
    }

    /** The object from which the cluster makes a claim per pod; nothing without DRA or without GPUs. */
    public Optional<GenericKubernetesResource> claimTemplate(InferenceModel model) {
        int gpus = gpus(model, pool);
        if (pool.allocation() != GpuPoolSpec.Allocation.DRA || gpus == 0) {
            return Optional.empty();
        }
        // Sorted: Map.of has another order in every process.
        Map<String, Object> request = new TreeMap<>(Map.of("name", CLAIM, "exactly", new TreeMap<>(Map
                .of("deviceClassName", pool.deviceClassName(), "allocationMode", "ExactCount", "count", gpus))));
        return Optional.of(new GenericKubernetesResourceBuilder().withApiVersion("resource.k8s.io/v1")
                .withKind("ResourceClaimTemplate")
                .withNewMetadata()
                .withName(templateName(model, gpus))
                .withNamespace(model.getMetadata().getNamespace())
                .addToLabels(PodConventions.LABEL_MODEL, model.getMetadata().getName())
                .addToLabels(PodConventions.LABEL_MANAGED_BY, PodConventions.MANAGED_BY)
                .withOwnerReferences(new OwnerReferenceBuilder().withApiVersion(model.getApiVersion())
                        .withKind(model.getKind())
                        .withName(model.getMetadata().getName())
                        .withUid(model.getMetadata().getUid())
                        .build())
                .endMetadata()
                .addToAdditionalProperties("spec",
                        Map.of("spec", Map.of("devices", Map.of("requests", List.of(request)))))
                .build());
    }

    /** A template never changes: another class or count is another template. */
    private String templateName(InferenceModel model, int gpus) {
        return model.getMetadata().getName() + "-gpus-"
                + Hashes.sha256(pool.deviceClassName() + "/" + gpus + "/" + model.getMetadata().getUid())
                        .substring(0, 8);
    }

    /** Changes the pod that Dormouse builds; the user's template is laid over it afterwards. */
    void apply(ObjectNode pod, InferenceModel model) {
        ObjectNode spec = (ObjectNode) pod.get("spec");
        Map<String, String> selector = new TreeMap<>(pool.nodeSelector());
        hostname.ifPresent(node -> selector.put(HOSTNAME, node));
        if (!selector.isEmpty()) {
            spec.set("nodeSelector", JSON.convertValue(selector, ObjectNode.class));
        }
        if (!pool.tolerations().isEmpty()) {
            spec.set("tolerations", JSON.convertValue(pool.tolerations(), ArrayNode.class));
        }
        claimTemplate(model).ifPresent(template -> {
            spec.withArray("resourceClaims")
                    .addObject()
                    .put("name", CLAIM)
                    .put("resourceClaimTemplateName", template.getMetadata().getName());
            spec.withArray("containers").forEach(this::claimInstead);
            spec.withArray("initContainers").forEach(this::claimInstead);
        });
    }

    private void claimInstead(JsonNode container) {
        ObjectNode resources = ((ObjectNode) container).withObject("resources");
        resources.withArray("claims").addObject().put("name", CLAIM);
        for (String kind : List.of("limits", "requests")) {
            if (resources.get(kind) instanceof ObjectNode amounts) {
                amounts.remove(pool.resourceName());
            }
        }
    }
}
