package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.ApiException.Cause;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/** What metadata must look like, whatever the kind. */
final class MetadataRules {
    private static final Pattern DNS_SUBDOMAIN = Pattern.compile("[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?");
    private static final Pattern DNS_LABEL = Pattern.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?");
    private static final Pattern LABEL_VALUE = Pattern.compile("(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?");
    private static final Pattern QUALIFIED_NAME = Pattern.compile(
            "([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?");

    private MetadataRules() {}

    static List<Cause> check(ResourceType type, ObjectNode json) {
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
            checkKey("metadata.labels", key, causes);
            if (!LABEL_VALUE.matcher(value.asText()).matches()) {
                causes.add(Cause.invalid("metadata.labels", "\"" + value.asText() + "\"",
                        "a valid label must be at most 63 characters: alphanumeric characters, '-', '_' or '.', starting"
                                + " and ending with an alphanumeric character"));
            }
        });
        metadata.path("annotations").forEachEntry((key, _) -> checkKey("metadata.annotations", key, causes));
        if (!type.custom() && !type.is(CustomResources.RESOURCE)) { // there, upstream only warns
            checkFinalizers(metadata.path("finalizers"), causes);
        }
        checkOwners(metadata.path("ownerReferences"), causes);
        return causes;
    }

    private static boolean nameIsValid(ResourceType type, String name) {
        if (type.group().equals("rbac.authorization.k8s.io")) {
            return !name.contains("/") && !name.contains("%");
        }
        return (type.is("namespaces") || type.is("services") ? DNS_LABEL : DNS_SUBDOMAIN).matcher(name).matches();
    }

    private static void checkKey(String field, String key, List<Cause> causes) {
        if (!QUALIFIED_NAME.matcher(key.toLowerCase(java.util.Locale.ROOT)).matches()) {
            causes.add(Cause.invalid(field, "\"" + key + "\"", "name part must consist of alphanumeric characters, '-',"
                    + " '_' or '.', and must start and end with an alphanumeric character, with an optional DNS subdomain"
                    + " prefix and '/'"));
        }
    }

    private static void checkFinalizers(JsonNode finalizers, List<Cause> causes) {
        for (int i = 0; i < finalizers.size(); i++) {
            String finalizer = finalizers.get(i).asText();
            boolean standard = finalizer.equals("orphan") || finalizer.equals("foregroundDeletion");
            if (!standard && (!finalizer.contains("/") || !QUALIFIED_NAME.matcher(finalizer).matches())) {
                causes.add(Cause.invalid("metadata.finalizers[" + i + "]", "\"" + finalizer + "\"",
                        "name is neither a standard finalizer name nor is it fully qualified"));
            }
        }
    }

    private static void checkOwners(JsonNode owners, List<Cause> causes) {
        List<String> controllers = owners.valueStream()
                .filter(owner -> owner.path("controller").asBoolean())
                .map(owner -> owner.path("name").asText())
                .toList();
        if (controllers.size() > 1) {
            causes.add(Cause.invalid("metadata.ownerReferences", "\"" + controllers.get(1) + "\"",
                    "Only one reference can have Controller set to true. Found \"true\" in references for "
                            + controllers.get(0) + " and " + controllers.get(1)));
        }
        for (int i = 0; i < owners.size(); i++) {
            if (owners.get(i).path("uid").asText("").isEmpty()) {
                causes.add(Cause.invalid("metadata.ownerReferences[" + i + "].uid", "\"\"", "uid must not be empty"));
            }
        }
    }
}
