package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.ResourceType.ScalePaths;
import dev.dormouse.cluster.apiserver.Store.Key;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** What lies below an object besides its status: scale, and of pods the log, the eviction and the binding. */
final class Subresources {
    /** Kubernetes has them; this server does not. */
    private static final Set<String> UNSUPPORTED = Set.of("exec", "attach", "portforward", "proxy",
            "ephemeralcontainers", "resize");
    private static final List<String> UNSUPPORTED_LOG_OPTIONS = List.of("sinceSeconds", "sinceTime", "timestamps",
            "limitBytes", "stream");

    private final ObjectLifecycle objects;
    private final Supplier<PodLogs> logs;

    private final Evictions evictions;
    private final ServiceAccountTokens tokens;

    Subresources(ObjectLifecycle objects, Supplier<PodLogs> logs, Evictions evictions, ServiceAccountTokens tokens) {
        this.objects = objects;
        this.logs = logs;
        this.evictions = evictions;
        this.tokens = tokens;
    }

    Reply handle(ApiRequest request, ResourceType type, Key key, String subresource) {
        ScalePaths scale = type.scale();
        if (subresource.equals("scale") && scale != null) {
            return scale(request, type, key, scale);
        }
        if (type.is("serviceaccounts") && subresource.equals("token") && request.method().equals("POST")) {
            return Reply.json(201, tokens.request(type, objects.get(type, key), request.bodyObject()));
        }
        if (!type.is("pods")) {
            throw ApiException.noSuchPath(request.path());
        }
        return switch (request.method() + " " + subresource) {
            case "GET log" -> log(request, objects.get(type, key));
            case "POST eviction" -> evict(request, type, key);
            case "POST binding" -> bind(request, type, key);
            default -> throw UNSUPPORTED.contains(subresource)
                    ? ApiException.notSupported(request.method() + " pods/" + subresource)
                    : ApiException.noSuchPath(request.path());
        };
    }

    private Reply scale(ApiRequest request, ResourceType type, Key key, ScalePaths paths) {
        JsonPath replicas = JsonPath.parse(paths.specReplicas());
        WriteOptions options = request.writeOptions("");
        return switch (request.method()) {
            case "GET" -> Reply.json(200, scaleOf(objects.get(type, key), paths));
            case "PUT" -> {
                ObjectNode wanted = request.bodyObject();
                yield Reply.json(200, scaleOf(objects.patch(type, key,
                        current -> withReplicas(current, wanted, replicas), options), paths));
            }
            case "PATCH" -> Reply.json(200, scaleOf(objects.patch(type, key, current -> {
                JsonNode shown = scaleOf(new ApiObject(current), paths);
                return withReplicas(current, Patches.apply(request, shown, type), replicas);
            }, options), paths));
            default -> throw ApiException.methodNotAllowed(request.method() + " " + request.path());
        };
    }

    private static ObjectNode withReplicas(ObjectNode current, JsonNode scale, JsonPath replicas) {
        ObjectNode next = current.deepCopy();
        JsonNode wanted = scale.at("/spec/replicas");
        JsonNode version = scale.at("/metadata/resourceVersion");
        replicas.set(next, wanted.isMissingNode() ? Json.MAPPER.getNodeFactory().numberNode(0) : wanted);
        if (!version.asText("").isEmpty()) {
            ApiObject.metadataOf(next).set("resourceVersion", version);
        }
        return next;
    }

    private static ObjectNode scaleOf(ApiObject object, ScalePaths paths) {
        ObjectNode scale = Json.object().put("kind", "Scale").put("apiVersion", "autoscaling/v1");
        ObjectNode metadata = scale.putObject("metadata");
        for (String field : List.of("name", "namespace", "uid", "resourceVersion", "creationTimestamp")) {
            if (object.metadata().has(field)) {
                metadata.set(field, object.metadata().get(field));
            }
        }
        scale.putObject("spec").put("replicas", number(object, paths.specReplicas()));
        ObjectNode status = scale.putObject("status").put("replicas", number(object, paths.statusReplicas()));
        if (paths.selector() != null) {
            JsonPath.parse(paths.selector())
                    .find(object.json())
                    .stream()
                    .findFirst()
                    .ifPresent(selector -> status.put("selector", selector.asText()));
        }
        return scale;
    }

    private static int number(ApiObject object, String path) {
        return JsonPath.parse(path).find(object.json()).stream().findFirst().map(JsonNode::asInt).orElse(0);
    }

    private Reply evict(ApiRequest request, ResourceType type, Key key) {
        JsonNode eviction = request.optionalBody();
        String named = eviction.at("/metadata/name").asText(key.name());
        if (!named.equals(key.name())) {
            throw ApiException.badRequest("name in URL does not match name in Eviction object: " + named);
        }
        JsonNode options = eviction.path("deleteOptions");
        evictions.evict(type, key, DeleteOptions.parse(options, request.query()));
        ObjectNode status = Json.object().put("kind", "Status").put("apiVersion", "v1").put("status", "Success");
        return Reply.json(201, status);
    }

    private Reply bind(ApiRequest request, ResourceType type, Key key) {
        ObjectNode binding = request.bodyObject();
        String node = binding.at("/target/name").asText();
        if (node.isEmpty()) {
            throw ApiException.badRequest("a binding needs target.name, the node");
        }
        objects.bind(type, key, node, binding.at("/metadata/uid").asText());
        ObjectNode status = Json.object().put("kind", "Status").put("apiVersion", "v1").put("status", "Success");
        return Reply.json(201, status);
    }

    private Reply log(ApiRequest request, ApiObject pod) {
        UNSUPPORTED_LOG_OPTIONS.stream()
                .filter(option -> !request.query(option).isEmpty() && !request.query(option).equals("false"))
                .findFirst()
                .ifPresent(option -> {
                    throw ApiException
                            .badRequest("the embedded control plane does not support the log option " + option);
                });
        long tail = request.number("tailLines", -1);
        PodLogs.Request wanted = new PodLogs.Request(pod.namespace(), pod.name(), pod.uid(), container(request, pod),
                request.flag("follow"), request.flag("previous"),
                tail < 0 ? OptionalLong.empty() : OptionalLong.of(tail));
        InputStream log;
        try {
            log = logs.get().open(wanted);
        } catch (IOException e) {
            throw ApiException.badRequest(String.valueOf(e.getMessage()));
        }
        return new Reply.Stream("text/plain", out -> {
            try (log) {
                byte[] buffer = new byte[8192];
                for (int n = log.read(buffer); n >= 0; n = log.read(buffer)) {
                    out.write(buffer, 0, n);
                    out.flush();
                }
            }
        });
    }

    private static String container(ApiRequest request, ApiObject pod) {
        List<String> containers = names(pod, "containers");
        List<String> init = names(pod, "initContainers");
        String asked = request.query("container");
        if (asked.isEmpty() && containers.size() == 1) {
            return containers.getFirst();
        }
        if (asked.isEmpty()) {
            throw ApiException.badRequest("a container name must be specified for pod " + pod.name()
                    + ", choose one of: " + containers
                    + (init.isEmpty() ? "" : " or one of the init containers: " + init));
        }
        if (Stream.concat(containers.stream(), init.stream()).noneMatch(asked::equals)) {
            throw ApiException.badRequest("container " + asked + " is not valid for pod " + pod.name());
        }
        return asked;
    }

    private static List<String> names(ApiObject pod, String list) {
        return new ArrayList<>(pod.json()
                .path("spec")
                .path(list)
                .valueStream()
                .map(container -> container.path("name").asText())
                .toList());
    }
}
