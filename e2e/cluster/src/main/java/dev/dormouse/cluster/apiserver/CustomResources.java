package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.ApiException.Cause;
import dev.dormouse.cluster.apiserver.ResourceType.ScalePaths;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Turns CustomResourceDefinitions into served types. One version each: there is no conversion here. */
final class CustomResources {
    static final String RESOURCE = "customresourcedefinitions.apiextensions.k8s.io";
    /** Keeps a definition until its objects are gone. */
    static final String CLEANUP = "customresourcecleanup.apiextensions.k8s.io";

    private CustomResources() {}

    static List<Cause> check(ObjectNode crd, @Nullable ApiObject old) {
        JsonNode spec = crd.path("spec");
        JsonNode names = spec.path("names");
        List<Cause> causes = new ArrayList<>();
        Stream.of("group", "scope", "names")
                .filter(field -> !spec.has(field))
                .forEach(field -> causes.add(Cause.required("spec." + field)));
        Stream.of("plural", "kind")
                .filter(field -> !names.has(field))
                .forEach(field -> causes.add(Cause.required("spec.names." + field)));
        String expected = names.path("plural").asText() + "." + spec.path("group").asText();
        if (!crd.at("/metadata/name").asText().equals(expected)) {
            causes.add(Cause.invalid("metadata.name", crd.at("/metadata/name").toString(),
                    "must be spec.names.plural+\".\"+spec.group"));
        }
        if (spec.path("versions").size() != 1) {
            causes.add(Cause.invalid("spec.versions", Integer.toString(spec.path("versions").size()),
                    "the embedded control plane serves exactly one version; it does not convert"));
        } else if (!version(crd).at("/schema/openAPIV3Schema").isObject()) {
            causes.add(Cause.required("spec.versions[0].schema.openAPIV3Schema"));
        } else {
            if (!version(crd).path("storage").asBoolean() || !version(crd).path("served").asBoolean()) {
                causes.add(Cause.invalid("spec.versions", "[...]",
                        "must have exactly one version marked as storage version, and here it must be served"));
            }
            checkStructural(version(crd).at("/schema/openAPIV3Schema"),
                    "spec.versions[0].schema.openAPIV3Schema", causes);
        }
        if (!spec.at("/conversion/strategy").asText("None").equals("None")) {
            causes.add(Cause.forbidden("spec.conversion", "conversion webhooks are not supported here"));
        }
        if (old != null && !old.json().at("/spec/scope").equals(spec.path("scope"))) {
            causes.add(Cause.invalid("spec.scope", spec.path("scope").toString(), "field is immutable"));
        }
        if (causes.isEmpty()) {
            checkServable(crd, causes);
        }
        return causes;
    }

    /** Every value has a type; that is what pruning and defaults rely on. */
    private static void checkStructural(JsonNode schema, String path, List<Cause> causes) {
        boolean typed = schema.has("type") || schema.path("x-kubernetes-int-or-string").asBoolean()
                || schema.path("x-kubernetes-preserve-unknown-fields").asBoolean();
        if (!typed) {
            causes.add(new Cause("FieldValueRequired", "Required value: must not be empty for specified object fields",
                    path + ".type"));
        }
        schema.path("properties")
                .forEachEntry(
                        (name, property) -> checkStructural(property, path + ".properties[" + name + "]", causes));
        if (schema.path("items").isObject()) {
            checkStructural(schema.get("items"), path + ".items", causes);
        }
        if (schema.path("additionalProperties").isObject()) {
            checkStructural(schema.get("additionalProperties"), path + ".additionalProperties", causes);
        }
    }

    private static void checkServable(ObjectNode crd, List<Cause> causes) {
        try {
            typeOf(new ApiObject(crd));
        } catch (ApiException e) { // a column whose path cannot be read
            causes.add(
                    Cause.invalid("spec.versions[0].additionalPrinterColumns", "\"\"", String.valueOf(e.getMessage())));
        }
    }

    /** Fills in the names that follow from others, and the status that says the type is served. */
    static void establish(ObjectNode crd, Instant now) {
        ObjectNode names = crd.withObjectProperty("spec").withObjectProperty("names");
        String kind = names.path("kind").asText();
        if (!names.has("singular")) {
            names.put("singular", kind.toLowerCase(java.util.Locale.ROOT));
        }
        if (!names.has("listKind")) {
            names.put("listKind", kind + "List");
        }
        ApiObject.metadataOf(crd).putArray("finalizers").add(CLEANUP);
        ObjectNode status = crd.putObject("status");
        ArrayNode conditions = status.putArray("conditions");
        String time = now.truncatedTo(ChronoUnit.SECONDS).toString();
        condition(conditions.addObject(), "NamesAccepted", "NoConflicts", "no conflicts found", time);
        condition(conditions.addObject(), "Established", "InitialNamesAccepted",
                "the initial names have been accepted", time);
        status.set("acceptedNames", names.deepCopy());
        status.putArray("storedVersions").add(version(crd).path("name").asText());
    }

    private static void condition(ObjectNode condition, String type, String reason, String message, String time) {
        condition.put("type", type)
                .put("status", "True")
                .put("reason", reason)
                .put("message", message)
                .put("lastTransitionTime", time);
    }

    static ResourceType typeOf(ApiObject crd) {
        JsonNode spec = crd.json().path("spec");
        JsonNode names = spec.path("names");
        JsonNode version = version(crd.json());
        JsonNode subresources = version.path("subresources");
        Schema schema = Schema.ofObject(version.at("/schema/openAPIV3Schema"));
        return new ResourceType(spec.path("group").asText(), version.path("name").asText(),
                names.path("kind").asText(), names.path("plural").asText(),
                spec.path("scope").asText().equals("Namespaced"), Json.strings(names.path("shortNames")).toList(),
                Json.strings(names.path("categories")).toList(), subresources.has("status"),
                scale(subresources.path("scale")), true, true, columns(version.path("additionalPrinterColumns")),
                () -> schema);
    }

    private static JsonNode version(JsonNode crd) {
        return crd.at("/spec/versions").path(0);
    }

    private static @Nullable ScalePaths scale(JsonNode scale) {
        return scale.isObject()
                ? new ScalePaths(scale.path("specReplicasPath").asText(), scale.path("statusReplicasPath").asText(),
                        scale.path("labelSelectorPath").asText(null))
                : null;
    }

    private static List<Column> columns(JsonNode printed) {
        if (printed.isEmpty()) {
            return List.of(Column.AGE);
        }
        return printed.valueStream()
                .map(column -> Column.path(column.path("name").asText(),
                        column.path("type").asText(), column.path("priority").asInt(),
                        column.path("jsonPath").asText()))
                .toList();
    }
}
