package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fabric8.kubernetes.api.model.ContainerPort;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.MicroTime;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.ServicePort;
import java.lang.reflect.Field;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.time.temporal.Temporal;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Schemas of built-in kinds, read off fabric8's model classes, which are generated from Kubernetes' own types. What the
 * classes do not say, which lists are merged by key and which values are defaulted, is in the tables here.
 */
final class BuiltInSchemas {

    /** Lists of objects that are merged by key, by the name of their field. */
    private static final Map<String, List<String>> LIST_KEYS = Map.ofEntries(Map.entry("containers", List.of("name")),
            Map.entry("initContainers", List.of("name")), Map.entry("ephemeralContainers", List.of("name")),
            Map.entry("env", List.of("name")), Map.entry("volumes", List.of("name")),
            Map.entry("imagePullSecrets", List.of("name")), Map.entry("secrets", List.of("name")),
            Map.entry("resourceClaims", List.of("name")), Map.entry("claims", List.of("name")),
            Map.entry("schedulingGates", List.of("name")), Map.entry("volumeMounts", List.of("mountPath")),
            Map.entry("volumeDevices", List.of("devicePath")), Map.entry("hostAliases", List.of("ip")),
            Map.entry("conditions", List.of("type")), Map.entry("ownerReferences", List.of("uid")),
            Map.entry("addresses", List.of("type")), Map.entry("podIPs", List.of("ip")),
            Map.entry("topologySpreadConstraints", List.of("topologyKey", "whenUnsatisfiable")));

    /** Values that Kubernetes fills in, by class and field. */
    private static final Map<String, Object> DEFAULTS = Map.ofEntries(Map.entry("PodSpec.restartPolicy", "Always"),
            Map.entry("PodSpec.terminationGracePeriodSeconds", 30), Map.entry("PodSpec.dnsPolicy", "ClusterFirst"),
            Map.entry("PodSpec.schedulerName", "default-scheduler"),
            Map.entry("Container.terminationMessagePath", "/dev/termination-log"),
            Map.entry("Container.terminationMessagePolicy", "File"), Map.entry("ContainerPort.protocol", "TCP"),
            Map.entry("Probe.timeoutSeconds", 1), Map.entry("Probe.periodSeconds", 10),
            Map.entry("Probe.successThreshold", 1), Map.entry("Probe.failureThreshold", 3),
            Map.entry("HTTPGetAction.scheme", "HTTP"), Map.entry("HTTPGetAction.path", "/"),
            Map.entry("ObjectFieldSelector.apiVersion", "v1"), Map.entry("ServicePort.protocol", "TCP"),
            Map.entry("ServiceSpec.type", "ClusterIP"), Map.entry("ServiceSpec.sessionAffinity", "None"),
            Map.entry("PersistentVolumeClaimSpec.volumeMode", "Filesystem"), Map.entry("Secret.type", "Opaque"));

    /** What no object of the kind can be without. */
    private static final Map<String, Set<String>> REQUIRED = Map.of("Pod", Set.of("spec"), "PodSpec",
            Set.of("containers"), "Container", Set.of("name"), "ContainerPort", Set.of("containerPort"), "Volume",
            Set.of("name"), "VolumeMount", Set.of("name", "mountPath"), "EnvVar", Set.of("name"), "OwnerReference",
            Set.of("apiVersion", "kind", "name", "uid"), "ServicePort", Set.of("port"), "Event",
            Set.of("involvedObject"));

    private static final Schema OBJECT_META = Schema.parse(ofClass(ObjectMeta.class, new HashSet<>())); // after the tables

    private BuiltInSchemas() {}

    static Schema objectMeta() {
        return OBJECT_META;
    }

    static Schema of(Class<?> model) {
        return Schema.ofObject(ofClass(model, new HashSet<>()));
    }

    private static ObjectNode ofClass(Class<?> model, Set<Class<?>> enclosing) {
        ObjectNode schema = Json.object().put("type", "object");
        ObjectNode properties = schema.putObject("properties");
        enclosing.add(model);
        for (Field field : model.getDeclaredFields()) {
            JsonProperty json = field.getAnnotation(JsonProperty.class);
            if (json != null) {
                ObjectNode property = ofType(field.getGenericType(), enclosing);
                annotate(property, json.value(), field);
                properties.set(json.value(), property);
            }
        }
        enclosing.remove(model);
        var required = REQUIRED.getOrDefault(model.getSimpleName(), Set.of());
        required.stream().sorted().forEach(schema.withArrayProperty("required")::add);
        return schema;
    }

    private static void annotate(ObjectNode property, String name, Field field) {
        List<String> keys = listKeys(name, field);
        if (keys != null && property.path("items").path("type").asText().equals("object")) {
            property.put("x-kubernetes-list-type", "map");
            keys.forEach(property.putArray("x-kubernetes-list-map-keys")::add);
        } else if (name.equals("finalizers")) {
            property.put("x-kubernetes-list-type", "set");
        }
        JsonNode value = Json.MAPPER.valueToTree(DEFAULTS.get(field.getDeclaringClass().getSimpleName() + "." + name));
        if (!value.isNull()) {
            property.set("default", value);
        }
    }

    private static @Nullable List<String> listKeys(String name, Field field) {
        if (name.equals("ports") && field.getGenericType() instanceof ParameterizedType list) {
            Type element = list.getActualTypeArguments()[0];
            return element == ContainerPort.class
                    ? List.of("containerPort", "protocol")
                    : element == ServicePort.class ? List.of("port", "protocol") : null;
        }
        return LIST_KEYS.get(name);
    }

    private static ObjectNode ofType(Type type, Set<Class<?>> enclosing) {
        if (type instanceof ParameterizedType generic && generic.getRawType() == List.class) {
            ObjectNode list = Json.object().put("type", "array");
            list.set("items", ofType(generic.getActualTypeArguments()[0], enclosing));
            return list;
        }
        if (type instanceof ParameterizedType generic && generic.getRawType() == Map.class) {
            ObjectNode map = Json.object().put("type", "object");
            map.set("additionalProperties", ofType(generic.getActualTypeArguments()[1], enclosing));
            return map;
        }
        if (!(type instanceof Class<?> model)) {
            return any();
        }
        if (model == Quantity.class || model == IntOrString.class) {
            return Json.object().put("x-kubernetes-int-or-string", true);
        }
        if (model == String.class || model.isEnum() || model == MicroTime.class
                || Temporal.class.isAssignableFrom(model)) {
            return Json.object().put("type", "string");
        }
        if (model == Integer.class || model == Long.class) {
            return Json.object().put("type", "integer");
        }
        if (model == Boolean.class) {
            return Json.object().put("type", "boolean");
        }
        boolean fields = List.of(model.getDeclaredFields())
                .stream()
                .anyMatch(field -> field.isAnnotationPresent(JsonProperty.class));
        // A type inside itself exists only in the schema of CustomResourceDefinitions, which has its own checks.
        return fields && !enclosing.contains(model) ? ofClass(model, enclosing) : any();
    }

    private static ObjectNode any() {
        return Json.object().put("x-kubernetes-preserve-unknown-fields", true);
    }
}
