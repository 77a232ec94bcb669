package dev.dormouse.cluster.apiserver;

import static dev.dormouse.cluster.apiserver.Column.path;
import static dev.dormouse.cluster.apiserver.Column.text;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.cluster.apiserver.ResourceType.ScalePaths;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The kinds that are there without a CustomResourceDefinition, and the columns kubectl shows for them. Workloads, network
 * policies and quotas are stored and validated like everything else, so that charts install; nothing acts on them.
 */
final class BuiltInTypes {
    private static final String MODELS = "io.fabric8.kubernetes.api.model.";
    private static final String RBAC = "rbac.authorization.k8s.io/v1";
    private static final String RESOURCE = "resource.k8s.io/v1";
    private static final Column CREATED = path("Created At", "string", 0, ".metadata.creationTimestamp");
    private static final ScalePaths SCALE = new ScalePaths(".spec.replicas", ".status.replicas", null);

    private BuiltInTypes() {}

    static List<ResourceType> all() {
        return Stream.of(core(), accessControl(), workloads(), clusterWide()).flatMap(List::stream).toList();
    }

    private static List<ResourceType> core() {
        return List.of(
                cluster("v1", "Namespace", "namespaces", "ns").status()
                        .columns(path("Status", "string", 0, ".status.phase"), Column.AGE),
                cluster("v1", "Node", "nodes", "no").status()
                        .columns(text("Status", 0, PodColumns::nodeStatus), text("Roles", 0, _ -> "<none>"), Column.AGE,
                                path("Version", "string", 0, ".status.nodeInfo.kubeletVersion"), path("Internal-IP",
                                        "string", 1, ".status.addresses[?(@.type==\"InternalIP\")].address")),
                namespaced("v1", "Pod", "pods", "po").status()
                        .generations()
                        .columns(text("Ready", 0, PodColumns::ready), text("Status", 0, PodColumns::status),
                                new Column("Restarts", "integer", 0, PodColumns::restarts), Column.AGE,
                                path("IP", "string", 1, ".status.podIP"), path("Node", "string", 1, ".spec.nodeName")),
                namespaced("v1", "Event", "events", "ev").columns(lastSeen(), path("Type", "string", 0, ".type"),
                        path("Reason", "string", 0, ".reason"), text("Object", 0, PodColumns::eventObject),
                        path("Source", "string", 1, ".reportingComponent"), path("Message", "string", 0, ".message")),
                namespaced("v1", "ConfigMap", "configmaps", "cm").columns(size("Data", "data", "binaryData"),
                        Column.AGE),
                namespaced("v1", "Secret", "secrets").columns(path("Type", "string", 0, ".type"), size("Data", "data"),
                        Column.AGE),
                namespaced("v1", "Service", "services", "svc").status()
                        .columns(path("Type", "string", 0, ".spec.type"),
                                text("Cluster-IP", 0, o -> o.json().at("/spec/clusterIP").asText("<none>")),
                                text("Port(s)", 0, BuiltInTypes::ports), Column.AGE),
                namespaced("v1", "Endpoints", "endpoints", "ep").columns(Column.AGE),
                namespaced("v1", "ServiceAccount", "serviceaccounts", "sa").columns(size("Secrets", "secrets"),
                        Column.AGE),
                namespaced("v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc").status()
                        .columns(path("Status", "string", 0, ".status.phase"),
                                path("Volume", "string", 0, ".spec.volumeName"),
                                path("Capacity", "string", 0, ".status.capacity.storage"),
                                text("Access Modes", 0, BuiltInTypes::accessModes),
                                path("StorageClass", "string", 0, ".spec.storageClassName"), Column.AGE),
                cluster("v1", "PersistentVolume", "persistentvolumes", "pv").status()
                        .columns(path("Capacity", "string", 0, ".spec.capacity.storage"),
                                text("Access Modes", 0, BuiltInTypes::accessModes),
                                path("Reclaim Policy", "string", 0, ".spec.persistentVolumeReclaimPolicy"),
                                path("Status", "string", 0, ".status.phase"),
                                path("Claim", "string", 0, ".spec.claimRef.name"), Column.AGE))
                .stream()
                .map(Kind::type)
                .toList();
    }

    private static List<ResourceType> accessControl() {
        Column role = path("Role", "string", 0, ".roleRef.name");
        return List.of(namespaced(RBAC, "Role", "roles").model("rbac.Role").columns(CREATED),
                namespaced(RBAC, "RoleBinding", "rolebindings").model("rbac.RoleBinding").columns(role, Column.AGE),
                cluster(RBAC, "ClusterRole", "clusterroles").model("rbac.ClusterRole").columns(CREATED),
                cluster(RBAC, "ClusterRoleBinding", "clusterrolebindings").model("rbac.ClusterRoleBinding")
                        .columns(role, Column.AGE))
                .stream()
                .map(Kind::type)
                .toList();
    }

    private static List<ResourceType> workloads() {
        Column ready = text("Ready", 0, object -> object.json().at("/status/readyReplicas").asInt() + "/"
                + object.json().at("/spec/replicas").asInt(1));
        Column desired = path("Desired", "integer", 0, ".spec.replicas");
        return List.of(
                namespaced("apps/v1", "Deployment", "deployments", "deploy").model("apps.Deployment")
                        .status()
                        .generations()
                        .scale()
                        .columns(ready, path("Up-to-date", "integer", 0, ".status.updatedReplicas"),
                                path("Available", "integer", 0, ".status.availableReplicas"), Column.AGE),
                namespaced("apps/v1", "ReplicaSet", "replicasets", "rs").model("apps.ReplicaSet")
                        .status()
                        .generations()
                        .scale()
                        .columns(desired, Column.AGE),
                namespaced("apps/v1", "StatefulSet", "statefulsets", "sts").model("apps.StatefulSet")
                        .status()
                        .generations()
                        .scale()
                        .columns(ready, Column.AGE),
                namespaced("apps/v1", "DaemonSet", "daemonsets", "ds").model("apps.DaemonSet")
                        .status()
                        .generations()
                        .columns(path("Desired", "integer", 0, ".status.desiredNumberScheduled"), Column.AGE),
                namespaced("batch/v1", "Job", "jobs").model("batch.v1.Job").status().generations().columns(Column.AGE),
                namespaced("batch/v1", "CronJob", "cronjobs", "cj").model("batch.v1.CronJob")
                        .status()
                        .generations()
                        .columns(path("Schedule", "string", 0, ".spec.schedule"), Column.AGE),
                namespaced("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa")
                        .model("autoscaling.v2.HorizontalPodAutoscaler")
                        .status()
                        .columns(Column.AGE),
                namespaced("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb")
                        .model("policy.v1.PodDisruptionBudget")
                        .status()
                        .generations()
                        .columns(path("Min Available", "string", 0, ".spec.minAvailable"),
                                path("Max Unavailable", "string", 0, ".spec.maxUnavailable"), Column.AGE),
                namespaced("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies", "netpol")
                        .model("networking.v1.NetworkPolicy")
                        .generations()
                        .columns(Column.AGE),
                namespaced("networking.k8s.io/v1", "Ingress", "ingresses", "ing").model("networking.v1.Ingress")
                        .status()
                        .generations()
                        .columns(path("Class", "string", 0, ".spec.ingressClassName"), Column.AGE),
                namespaced("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
                        .model("discovery.v1.EndpointSlice")
                        .columns(path("AddressType", "string", 0, ".addressType"), Column.AGE),
                namespaced("coordination.k8s.io/v1", "Lease", "leases").model("coordination.v1.Lease")
                        .columns(path("Holder", "string", 0, ".spec.holderIdentity"), Column.AGE),
                namespaced(RESOURCE, "ResourceClaim", "resourceclaims").model("resource.v1.ResourceClaim")
                        .status()
                        .columns(Column.AGE),
                namespaced(RESOURCE, "ResourceClaimTemplate", "resourceclaimtemplates")
                        .model("resource.v1.ResourceClaimTemplate")
                        .columns(Column.AGE))
                .stream()
                .map(Kind::type)
                .toList();
    }

    private static List<ResourceType> clusterWide() {
        return List.of(
                cluster(RESOURCE, "DeviceClass", "deviceclasses").model("resource.v1.DeviceClass")
                        .generations()
                        .columns(Column.AGE),
                cluster("storage.k8s.io/v1", "StorageClass", "storageclasses", "sc").model("storage.StorageClass")
                        .columns(path("Provisioner", "string", 0, ".provisioner"), Column.AGE),
                cluster("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", "pc")
                        .model("scheduling.v1.PriorityClass")
                        .generations()
                        .columns(path("Value", "integer", 0, ".value"), Column.AGE),
                cluster("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", "crd",
                        "crds").anyContent().status().generations().columns(CREATED))
                .stream()
                .map(Kind::type)
                .toList();
    }

    private static Kind cluster(String apiVersion, String kind, String plural, String... shortNames) {
        return new Kind(apiVersion, kind, plural, false, shortNames);
    }

    private static Kind namespaced(String apiVersion, String kind, String plural, String... shortNames) {
        return new Kind(apiVersion, kind, plural, true, shortNames);
    }

    /** A built-in type being described. */
    private static final class Kind {
        private final String apiVersion;
        private final String kind;
        private final String plural;
        private final boolean namespaced;
        private final List<String> shortNames;
        private @Nullable String model;
        private boolean status;
        private boolean generations;
        private @Nullable ScalePaths scale;
        private List<Column> columns = List.of();

        Kind(String apiVersion, String kind, String plural, boolean namespaced, String... shortNames) {
            this.apiVersion = apiVersion;
            this.kind = kind;
            this.plural = plural;
            this.namespaced = namespaced;
            this.shortNames = List.of(shortNames);
            this.model = MODELS + kind;
        }

        /** The class its schema is read off, where it is not named like the kind. */
        Kind model(String name) {
            model = MODELS + name;
            return this;
        }

        Kind anyContent() {
            model = null;
            return this;
        }

        Kind status() {
            status = true;
            return this;
        }

        Kind generations() {
            generations = true;
            return this;
        }

        Kind scale() {
            scale = SCALE;
            return this;
        }

        Kind columns(Column... shown) {
            columns = List.of(shown);
            return this;
        }

        ResourceType type() {
            int slash = apiVersion.indexOf('/');
            String group = slash < 0 ? "" : apiVersion.substring(0, slash);
            return new ResourceType(group, apiVersion.substring(slash + 1), kind, plural, namespaced, shortNames,
                    List.of(), status, scale, generations, false, columns, new LazySchema(model));
        }
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
