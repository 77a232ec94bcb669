package dev.dormouse.cluster.apiserver;

import static dev.dormouse.cluster.apiserver.Column.path;
import static dev.dormouse.cluster.apiserver.Column.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The kinds that are there without a CustomResourceDefinition, and the columns kubectl shows for them. */
final class BuiltInTypes {
    private static final String CORE = "";
    private static final String RBAC = "rbac.authorization.k8s.io";

    private BuiltInTypes() {}

    static List<ResourceType> all() {
        return List.of(
                type(CORE, "v1", "Namespace", "namespaces", false, true, false, List.of("ns"),
                        "io.fabric8.kubernetes.api.model.Namespace",
                        path("Status", "string", 0, ".status.phase"), Column.AGE),
                type(CORE, "v1", "Node", "nodes", false, true, false, List.of("no"),
                        "io.fabric8.kubernetes.api.model.Node", text("Status", 0, PodColumns::nodeStatus),
                        text("Roles", 0, _ -> "<none>"), Column.AGE,
                        path("Version", "string", 0, ".status.nodeInfo.kubeletVersion"),
                        path("Internal-IP", "string", 1, ".status.addresses[?(@.type==\"InternalIP\")].address")),
                type(CORE, "v1", "Pod", "pods", true, true, true, List.of("po"), "io.fabric8.kubernetes.api.model.Pod",
                        text("Ready", 0, PodColumns::ready), text("Status", 0, PodColumns::status),
                        new Column("Restarts", "integer", 0, PodColumns::restarts), Column.AGE,
                        path("IP", "string", 1, ".status.podIP"), path("Node", "string", 1, ".spec.nodeName")),
                type(CORE, "v1", "Event", "events", true, false, false, List.of("ev"),
                        "io.fabric8.kubernetes.api.model.Event", lastSeen(),
                        path("Type", "string", 0, ".type"), path("Reason", "string", 0, ".reason"),
                        text("Object", 0, PodColumns::eventObject),
                        path("Source", "string", 1, ".reportingComponent"),
                        path("Message", "string", 0, ".message")),
                type(CORE, "v1", "ConfigMap", "configmaps", true, false, false, List.of("cm"),
                        "io.fabric8.kubernetes.api.model.ConfigMap", size("Data", "data", "binaryData"), Column.AGE),
                type(CORE, "v1", "Secret", "secrets", true, false, false, List.of(),
                        "io.fabric8.kubernetes.api.model.Secret", path("Type", "string", 0, ".type"),
                        size("Data", "data"), Column.AGE),
                type(CORE, "v1", "Service", "services", true, true, false, List.of("svc"),
                        "io.fabric8.kubernetes.api.model.Service", path("Type", "string", 0, ".spec.type"),
                        text("Cluster-IP", 0, o -> o.json().at("/spec/clusterIP").asText("<none>")),
                        text("Port(s)", 0, BuiltInTypes::ports), Column.AGE),
                type(CORE, "v1", "ServiceAccount", "serviceaccounts", true, false, false, List.of("sa"),
                        "io.fabric8.kubernetes.api.model.ServiceAccount", size("Secrets", "secrets"), Column.AGE),
                type(CORE, "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true, true, false,
                        List.of("pvc"), "io.fabric8.kubernetes.api.model.PersistentVolumeClaim",
                        path("Status", "string", 0, ".status.phase"),
                        path("Volume", "string", 0, ".spec.volumeName"),
                        path("Capacity", "string", 0, ".status.capacity.storage"),
                        text("Access Modes", 0, BuiltInTypes::accessModes),
                        path("StorageClass", "string", 0, ".spec.storageClassName"), Column.AGE),
                type(CORE, "v1", "PersistentVolume", "persistentvolumes", false, true, false, List.of("pv"),
                        "io.fabric8.kubernetes.api.model.PersistentVolume",
                        path("Capacity", "string", 0, ".spec.capacity.storage"),
                        text("Access Modes", 0, BuiltInTypes::accessModes),
                        path("Reclaim Policy", "string", 0, ".spec.persistentVolumeReclaimPolicy"),
                        path("Status", "string", 0, ".status.phase"),
                        path("Claim", "string", 0, ".spec.claimRef.name"), Column.AGE),
                type("coordination.k8s.io", "v1", "Lease", "leases", true, false, false, List.of(),
                        "io.fabric8.kubernetes.api.model.coordination.v1.Lease",
                        path("Holder", "string", 0, ".spec.holderIdentity"), Column.AGE),
                type(RBAC, "v1", "Role", "roles", true, false, false, List.of(),
                        "io.fabric8.kubernetes.api.model.rbac.Role",
                        path("Created At", "string", 0, ".metadata.creationTimestamp")),
                type(RBAC, "v1", "RoleBinding", "rolebindings", true, false, false, List.of(),
                        "io.fabric8.kubernetes.api.model.rbac.RoleBinding",
                        path("Role", "string", 0, ".roleRef.name"), Column.AGE),
                type(RBAC, "v1", "ClusterRole", "clusterroles", false, false, false, List.of(),
                        "io.fabric8.kubernetes.api.model.rbac.ClusterRole",
                        path("Created At", "string", 0, ".metadata.creationTimestamp")),
                type(RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", false, false, false, List.of(),
                        "io.fabric8.kubernetes.api.model.rbac.ClusterRoleBinding",
                        path("Role", "string", 0, ".roleRef.name"), Column.AGE),
                type("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", false,
                        true, true, List.of("crd", "crds"), null,
                        path("Created At", "string", 0, ".metadata.creationTimestamp")));
    }

    /** @param model the class its schema is read off, loaded at the first write; null when any content is allowed */
    private static ResourceType type(String group, String version, String kind, String plural, boolean namespaced,
            boolean status, boolean generations, List<String> shortNames, @Nullable String model, Column... columns) {
        return new ResourceType(group, version, kind, plural, namespaced, shortNames, List.of(), status, null,
                generations, false, List.of(columns), new LazySchema(model));
    }

    private static Column lastSeen() {
        return new Column("Last Seen", "string", 0, (event, now) -> {
            String seen = event.json().path("lastTimestamp").asText("");
            return Json.MAPPER.getNodeFactory()
                    .textNode(Column.age(seen.isEmpty() ? event.json().path("eventTime").asText("") : seen, now));
        });
    }

    private static Column size(String name, String... fields) {
        return new Column(name, "integer", 0, (object, _) -> {
            int size = 0;
            for (String field : fields) {
                size += object.json().path(field).size();
            }
            return Json.MAPPER.getNodeFactory().numberNode(size);
        });
    }

    private static String ports(ApiObject service) {
        return service.json()
                .at("/spec/ports")
                .valueStream()
                .map(port -> port.path("port").asText() + "/" + port.path("protocol").asText("TCP"))
                .collect(Collectors.joining(","));
    }

    private static String accessModes(ApiObject volume) {
        return Json.strings(volume.json().at("/spec/accessModes")).map(mode -> switch (mode) {
            case "ReadWriteOnce" -> "RWO";
            case "ReadOnlyMany" -> "ROX";
            case "ReadWriteMany" -> "RWX";
            case "ReadWriteOncePod" -> "RWOP";
            default -> mode;
        }).collect(Collectors.joining(","));
    }

    /** Computes the schema once, by name, so that starting the server loads none of the model classes. */
    private static final class LazySchema implements Supplier<Schema> {
        private final @Nullable String model;
        private volatile @Nullable Schema schema;

        LazySchema(@Nullable String model) {
            this.model = model;
        }

        @Override
        public Schema get() {
            Schema known = schema;
            if (known == null) {
                known = compute();
                schema = known;
            }
            return known;
        }

        private Schema compute() {
            try {
                JsonNode any = Json.object().put("x-kubernetes-preserve-unknown-fields", true);
                return model == null ? Schema.ofObject(any) : BuiltInSchemas.of(Class.forName(model));
            } catch (ClassNotFoundException e) {
                throw new IllegalStateException("the model class of a built-in kind is missing", e);
            }
        }
    }
}
