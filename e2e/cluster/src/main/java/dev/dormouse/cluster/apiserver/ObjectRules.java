package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;

/** What single kinds have of their own in their life: initial values, and how they end. */
final class ObjectRules {
    private static final Set<String> PERMANENT_NAMESPACES = Set.of("default", "kube-system");

    private ObjectRules() {}

    static void prepareCreate(ResourceType type, ObjectNode json, Instant now) {
        switch (type.groupResource()) {
            case "namespaces" -> {
                json.withObjectProperty("spec").putArray("finalizers").add("kubernetes");
                json.putObject("status").put("phase", "Active");
                String name = json.path("metadata").path("name").asText();
                ApiObject.metadataOf(json).withObjectProperty("labels").put("kubernetes.io/metadata.name", name);
            }
            case "pods" -> {
                json.putObject("status").put("phase", "Pending");
                preparePod(json);
            }
            case "persistentvolumeclaims" -> json.putObject("status").put("phase", "Pending");
            case "services" -> prepareService(json.withObjectProperty("spec"));
            case "persistentvolumes" -> json.putObject("status").put("phase", "Available");
            case "customresourcedefinitions.apiextensions.k8s.io" -> CustomResources.establish(json, now);
            default -> { // as the client sent it
            }
        }
        prepareUpdate(type, json);
    }

    private static void preparePod(ObjectNode pod) {
        for (String list : List.of("initContainers", "containers")) {
            for (JsonNode container : pod.path("spec").path(list)) {
                if (container instanceof ObjectNode object && !object.has("imagePullPolicy")) {
                    String image = object.path("image").asText();
                    boolean latest = image.endsWith(":latest") || !image.contains("@")
                            && image.lastIndexOf(':') <= image.lastIndexOf('/');
                    object.put("imagePullPolicy", latest ? "Always" : "IfNotPresent");
                }
            }
        }
    }

    /** An address that stands for the service; nothing routes to it. */
    private static void prepareService(ObjectNode spec) {
        if (!spec.has("clusterIP") && !spec.path("type").asText().equals("ExternalName")) {
            int host = ThreadLocalRandom.current().nextInt(1, 1 << 16);
            spec.put("clusterIP", "10.96." + (host >> 8) + "." + (host & 255));
        }
        if (spec.has("clusterIP")) {
            spec.putArray("clusterIPs").add(spec.get("clusterIP"));
        }
        for (JsonNode port : spec.path("ports")) {
            if (port instanceof ObjectNode object && !object.has("targetPort")) {
                object.set("targetPort", object.path("port"));
            }
        }
    }

    static void prepareUpdate(ResourceType type, ObjectNode json) {
        if (type.is("secrets") && json.remove("stringData") instanceof ObjectNode plain) {
            ObjectNode data = json.withObjectProperty("data");
            plain.forEachEntry((key, value) -> data.put(key,
                    Base64.getEncoder().encodeToString(value.asText().getBytes(StandardCharsets.UTF_8))));
        }
    }

    static void bind(ObjectNode pod, String node, String now) {
        pod.withObjectProperty("spec").put("nodeName", node);
        ArrayNode conditions = pod.withObjectProperty("status").withArrayProperty("conditions");
        conditions.removeIf(condition -> condition.path("type").asText().equals("PodScheduled"));
        conditions.addObject().put("type", "PodScheduled").put("status", "True").put("lastTransitionTime", now);
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
