package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.ApiException.Cause;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What single kinds have of their own: initial values, rules that no schema can say, how they end. */
final class ObjectRules {
    private static final Pattern DNS_SUBDOMAIN = Pattern.compile("[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?");
    private static final Pattern DNS_LABEL = Pattern.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?");
    private static final Pattern LABEL_VALUE = Pattern.compile("(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?");
    private static final Set<String> PERMANENT_NAMESPACES = Set.of("default", "kube-system");
    private static final Set<String> CHANGEABLE_POD_FIELDS = Set.of("activeDeadlineSeconds", "tolerations",
            "terminationGracePeriodSeconds", "schedulingGates", "containers", "initContainers");

    private ObjectRules() {}

    static void prepareCreate(ResourceType type, ObjectNode json, Instant now) {
        switch (type.groupResource()) {
            case "namespaces" -> {
                json.withObjectProperty("spec").putArray("finalizers").add("kubernetes");
                json.putObject("status").put("phase", "Active");
                String name = json.path("metadata").path("name").asText();
                ApiObject.metadataOf(json).withObjectProperty("labels").put("kubernetes.io/metadata.name", name);
            }
            case "pods", "persistentvolumeclaims" -> json.putObject("status").put("phase", "Pending");
            case "persistentvolumes" -> json.putObject("status").put("phase", "Available");
            case "customresourcedefinitions.apiextensions.k8s.io" -> CustomResources.establish(json, now);
            default -> { // as the client sent it
            }
        }
        prepareUpdate(type, json);
    }

    static void prepareUpdate(ResourceType type, ObjectNode json) {
        if (type.is("secrets") && json.remove("stringData") instanceof ObjectNode plain) {
            ObjectNode data = json.withObjectProperty("data");
            plain.forEachEntry((key, value) -> data.put(key,
                    Base64.getEncoder().encodeToString(value.asText().getBytes(StandardCharsets.UTF_8))));
        }
    }

    static List<Cause> checkMetadata(ResourceType type, ObjectNode json) {
        List<Cause> causes = new ArrayList<>();
        JsonNode metadata = json.path("metadata");
        String name = metadata.path("name").asText();
        if (name.isEmpty()) {
            causes.add(new Cause("FieldValueRequired", "Required value: name or generateName is required",
                    "metadata.name"));
        } else if (!nameIsValid(type, name)) {
            causes.add(Cause.invalid("metadata.name", "\"" + name + "\"", "a lowercase RFC 1123 "
                    + (type.is("namespaces") ? "label" : "subdomain")
                    + " must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an"
                    + " alphanumeric character"));
        }
        metadata.path("labels").forEachEntry((key, value) -> {
            if (!LABEL_VALUE.matcher(value.asText()).matches()) {
                causes.add(Cause.invalid("metadata.labels", "\"" + value.asText() + "\"",
                        "a valid label must be at most"
                                + " 63 characters: alphanumeric characters, '-', '_' or '.', starting and ending with an"
                                + " alphanumeric character"));
            }
        });
        return causes;
    }

    private static boolean nameIsValid(ResourceType type, String name) {
        if (type.group().equals("rbac.authorization.k8s.io")) {
            return !name.contains("/") && !name.contains("%");
        }
        return (type.is("namespaces") || type.is("services") ? DNS_LABEL : DNS_SUBDOMAIN).matcher(name).matches();
    }

    static List<Cause> check(ResourceType type, ObjectNode json, @Nullable ApiObject old) {
        return switch (type.groupResource()) {
            case "pods" -> checkPod(json, old);
            case "customresourcedefinitions.apiextensions.k8s.io" -> CustomResources.check(json, old);
            default -> List.of();
        };
    }

    private static List<Cause> checkPod(ObjectNode pod, @Nullable ApiObject old) {
        JsonNode spec = pod.path("spec");
        List<Cause> causes = new ArrayList<>();
        if (spec.path("containers").isEmpty()) {
            causes.add(Cause.required("spec.containers"));
        }
        Set<String> names = new HashSet<>();
        for (String list : new String[]{"initContainers", "containers"}) {
            for (int i = 0; i < spec.path(list).size(); i++) {
                String path = "spec." + list + "[" + i + "]";
                JsonNode container = spec.path(list).get(i);
                if (container.path("image").asText().isEmpty()) {
                    causes.add(Cause.required(path + ".image"));
                }
                if (!names.add(container.path("name").asText())) {
                    causes.add(new Cause("FieldValueDuplicate", "Duplicate value: " + container.path("name"),
                            path + ".name"));
                }
            }
        }
        if (old != null && !fixedPart(spec).equals(fixedPart(old.json().path("spec")))) {
            causes.add(Cause.forbidden("spec", "pod updates may not change fields other than"
                    + " `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
                    + "`spec.tolerations`,`spec.terminationGracePeriodSeconds`; a node is assigned through the binding"
                    + " subresource"));
        }
        return causes;
    }

    static void bind(ObjectNode pod, String node, String now) {
        pod.withObjectProperty("spec").put("nodeName", node);
        ArrayNode conditions = pod.withObjectProperty("status").withArrayProperty("conditions");
        conditions.removeIf(condition -> condition.path("type").asText().equals("PodScheduled"));
        conditions.addObject().put("type", "PodScheduled").put("status", "True").put("lastTransitionTime", now);
    }

    private static JsonNode fixedPart(JsonNode podSpec) {
        ObjectNode fixed = Json.object();
        podSpec.forEachEntry((name, value) -> {
            if (name.equals("containers") || name.equals("initContainers")) {
                ArrayNode containers = fixed.putArray(name);
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

    static void checkDeletion(ResourceType type, ApiObject object) {
        if (type.is("namespaces") && PERMANENT_NAMESPACES.contains(object.name())) {
            throw ApiException.forbidden(type, object.name(), "this namespace may not be deleted");
        }
    }

    /** Pods that run somewhere get time to stop; everything else goes at once. */
    static long gracePeriodSeconds(ResourceType type, ApiObject object, OptionalLong asked) {
        JsonNode json = object.json();
        String phase = json.at("/status/phase").asText();
        boolean runs = type.is("pods") && !json.at("/spec/nodeName").asText().isEmpty()
                && !phase.equals("Succeeded") && !phase.equals("Failed");
        return runs ? asked.orElse(json.at("/spec/terminationGracePeriodSeconds").asLong(30)) : 0;
    }

    /** A namespace has finalizers of its own kind besides those of its metadata. */
    static boolean holdsFinalizers(ResourceType type, ObjectNode json) {
        return !json.path("metadata").path("finalizers").isEmpty()
                || type.is("namespaces") && !json.at("/spec/finalizers").isEmpty();
    }

    static void markTerminating(ResourceType type, ObjectNode json) {
        if (type.is("namespaces")) {
            json.withObjectProperty("status").put("phase", "Terminating");
        }
    }
}
