package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.ApiException.Cause;
import io.fabric8.kubernetes.api.model.Quantity;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Rules of single built-in kinds that no schema can say: those whose breach our users, or our operator, would meet. */
final class KindRules {
    private static final int MAX_PORT = 65_535;
    private static final Set<String> RESTART_POLICIES = Set.of("Always", "OnFailure", "Never");
    private static final Set<String> CHANGEABLE_POD_FIELDS = Set.of("activeDeadlineSeconds", "tolerations",
            "terminationGracePeriodSeconds", "schedulingGates", "containers", "initContainers");

    private final List<Cause> causes = new ArrayList<>();

    private KindRules() {}

    static List<Cause> check(ResourceType type, ObjectNode json, @Nullable ApiObject old) {
        KindRules rules = new KindRules();
        switch (type.groupResource()) {
            case "pods" -> rules.checkPod(json, old);
            case "services" -> rules.checkService(json.path("spec"));
            case "persistentvolumeclaims" -> rules.checkClaim(json.path("spec"));
            case "configmaps", "secrets" -> rules.checkImmutable(json, old);
            case "rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io" ->
                rules.checkRoleRef(json, old);
            case "customresourcedefinitions.apiextensions.k8s.io" ->
                rules.causes.addAll(CustomResources.check(json, old));
            default -> { // the schema says it all
            }
        }
        return rules.causes;
    }

    /** @throws ApiException 400 for a value that the field's type cannot hold, which real decoders trip over */
    static void checkDecodable(ResourceType type, ObjectNode json) {
        if (type.is("secrets")) {
            json.path("data").forEachEntry((key, value) -> {
                try {
                    Base64.getDecoder().decode(value.asText());
                } catch (IllegalArgumentException _) {
                    throw ApiException.undecodable(type, "data." + key + ": illegal base64 data");
                }
            });
        } else if (type.is("pods")) {
            for (String list : List.of("initContainers", "containers")) {
                for (JsonNode container : json.path("spec").path(list)) {
                    for (JsonNode amounts : container.path("resources")) {
                        amounts.forEach(amount -> quantity(type, amount));
                    }
                }
            }
        }
    }

    private static BigDecimal quantity(ResourceType type, JsonNode amount) {
        try {
            return amount.isValueNode() ? Quantity.parse(amount.asText()).getNumericalAmount() : BigDecimal.ZERO;
        } catch (IllegalArgumentException _) {
            throw ApiException.undecodable(type, "quantities must match the regular expression"
                    + " '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$': " + amount);
        }
    }

    private void checkPod(ObjectNode pod, @Nullable ApiObject old) {
        JsonNode spec = pod.path("spec");
        if (spec.path("containers").isEmpty()) {
            causes.add(Cause.required("spec.containers"));
        }
        checkOneOf("spec.restartPolicy", spec.path("restartPolicy"), RESTART_POLICIES);
        Set<String> volumes = new HashSet<>();
        spec.path("volumes").forEach(volume -> volumes.add(volume.path("name").asText()));
        Set<String> names = new HashSet<>();
        for (String list : List.of("initContainers", "containers")) {
            for (int i = 0; i < spec.path(list).size(); i++) {
                checkContainer("spec." + list + "[" + i + "]", spec.path(list).get(i), names, volumes);
            }
        }
        if (old != null) {
            for (JsonNode gate : spec.path("schedulingGates")) {
                if (old.json().at("/spec/schedulingGates").valueStream().noneMatch(gate::equals)) {
                    causes.add(Cause.forbidden("spec.schedulingGates[0]", "only deletion is allowed, but found new"
                            + " scheduling gate " + gate.path("name")));
                }
            }
        }
        if (old != null && !fixedPart(spec).equals(fixedPart(old.json().path("spec")))) {
            causes.add(Cause.forbidden("spec", "pod updates may not change fields other than"
                    + " `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
                    + "`spec.tolerations`,`spec.terminationGracePeriodSeconds`; a node is assigned through the binding"
                    + " subresource"));
        }
    }

    private void checkContainer(String path, JsonNode container, Set<String> names, Set<String> volumes) {
        if (container.path("image").asText().isEmpty()) {
            causes.add(Cause.required(path + ".image"));
        }
        if (!names.add(container.path("name").asText())) {
            causes.add(new Cause("FieldValueDuplicate", "Duplicate value: " + container.path("name"), path + ".name"));
        }
        for (int i = 0; i < container.path("ports").size(); i++) {
            checkPort(path + ".ports[" + i + "].containerPort", container.path("ports").get(i).path("containerPort"));
        }
        for (int i = 0; i < container.path("volumeMounts").size(); i++) {
            JsonNode name = container.path("volumeMounts").get(i).path("name");
            if (!volumes.contains(name.asText())) {
                causes.add(new Cause("FieldValueNotFound", "Not found: " + name,
                        path + ".volumeMounts[" + i + "].name"));
            }
        }
        JsonNode limits = container.at("/resources/limits");
        container.at("/resources/requests").forEachEntry((resource, request) -> {
            JsonNode limit = limits.path(resource);
            if (limit.isValueNode() && amount(request).compareTo(amount(limit)) > 0) {
                causes.add(Cause.invalid(path + ".resources.requests", "\"" + request.asText() + "\"",
                        "must be less than or equal to " + resource + " limit of " + limit.asText()));
            }
        });
    }

    private static BigDecimal amount(JsonNode quantity) {
        return Quantity.parse(quantity.asText()).getNumericalAmount();
    }

    private static JsonNode fixedPart(JsonNode podSpec) {
        ObjectNode fixed = Json.object();
        podSpec.forEachEntry((name, value) -> {
            if (name.equals("containers") || name.equals("initContainers")) {
                var containers = fixed.putArray(name);
                value.forEach(container -> {
                    ObjectNode copy = container.deepCopy();
                    copy.remove("image");
                    containers.add(copy);
                });
            } else if (!CHANGEABLE_POD_FIELDS.contains(name)) {
                fixed.set(name, value);
            }
        });
        return fixed;
    }

    private void checkService(JsonNode spec) {
        boolean needsPorts = !spec.path("type").asText().equals("ExternalName")
                && !spec.path("clusterIP").asText().equals("None");
        if (needsPorts && spec.path("ports").isEmpty()) {
            causes.add(Cause.required("spec.ports"));
        }
        for (int i = 0; i < spec.path("ports").size(); i++) {
            checkPort("spec.ports[" + i + "].port", spec.path("ports").get(i).path("port"));
        }
    }

    private void checkPort(String path, JsonNode port) {
        if (port.isNumber() && (port.asInt() < 1 || port.asInt() > MAX_PORT)) {
            causes.add(Cause.invalid(path, port.toString(), "must be between 1 and 65535, inclusive"));
        }
    }

    private void checkOneOf(String path, JsonNode value, Set<String> allowed) {
        if (value.isTextual() && !allowed.contains(value.asText())) {
            causes.add(new Cause("FieldValueNotSupported", "Unsupported value: " + value + ": supported values: "
                    + allowed.stream().sorted().toList(), path));
        }
    }

    private void checkClaim(JsonNode spec) {
        if (spec.path("accessModes").isEmpty()) {
            causes.add(Cause.required("spec.accessModes"));
        }
        if (!spec.at("/resources/requests").has("storage")) {
            causes.add(Cause.required("spec.resources[storage]"));
        }
    }

    private void checkImmutable(ObjectNode json, @Nullable ApiObject old) {
        if (old == null || !old.json().path("immutable").asBoolean()) {
            return;
        }
        for (String field : List.of("data", "binaryData")) {
            if (!json.path(field).equals(old.json().path(field))) {
                causes.add(Cause.forbidden(field, "field is immutable when `immutable` is set"));
            }
        }
        if (!json.path("immutable").asBoolean()) {
            causes.add(Cause.forbidden("immutable", "field is immutable when `immutable` is set"));
        }
    }

    private void checkRoleRef(ObjectNode json, @Nullable ApiObject old) {
        if (old != null && !json.path("roleRef").equals(old.json().path("roleRef"))) {
            causes.add(Cause.invalid("roleRef", json.path("roleRef").toString(), "cannot change roleRef"));
        }
    }
}
