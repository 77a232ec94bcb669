package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Store.Key;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;

/** What can be asked of the objects of a type: one method of HTTP may be several verbs. The user has been let in already. */
final class Verbs {
    private final Store store;
    private final ObjectLifecycle objects;
    private final Tables tables;
    private final Watches watches;
    private final Subresources subresources;
    private final Authorizer authorizer;
    private final Escalation escalation;

    Verbs(Store store, ObjectLifecycle objects, Tables tables, Subresources subresources, Authorizer authorizer) {
        this.store = store;
        this.objects = objects;
        this.tables = tables;
        this.watches = new Watches(store);
        this.subresources = subresources;
        this.authorizer = authorizer;
        this.escalation = new Escalation(authorizer);
    }

    Reply collection(ApiRequest request, ResourceType type, String namespace) {
        return switch (request.method()) {
            case "GET" -> list(request, type, namespace);
            case "POST" -> {
                if (type.namespaced() && namespace.isEmpty()) {
                    throw ApiException.methodNotAllowed("POST without a namespace: " + request.path());
                }
                yield shown(request, type, 201,
                        objects.create(type, namespace, bodyOf(request, type), options(request, "")));
            }
            case "DELETE" -> {
                if (type.is("namespaces")) {
                    throw ApiException.methodNotAllowed("DELETE of all namespaces");
                }
                yield deleteCollection(request, type, namespace);
            }
            default -> throw ApiException.methodNotAllowed(request.method() + " " + request.path());
        };
    }

    private WriteOptions options(ApiRequest request, String subresource) {
        return request.writeOptions(subresource)
                .admittedBy((type, next) -> escalation.check(request.user(), type, next));
    }

    /** Custom resources are decoded by what they say they are; built-in ones by where they are sent. */
    private static ObjectNode bodyOf(ApiRequest request, ResourceType type) {
        ObjectNode body = request.bodyObject();
        request.checkDuplicates(type);
        for (String field : List.of("apiVersion", "kind")) {
            if (type.custom() && body.path(field).asText("").isEmpty()) {
                throw ApiException.badRequest("Object '" + field.substring(0, 1).toUpperCase(Locale.ROOT)
                        + field.substring(1) + "' is missing in the request body");
            }
        }
        return body;
    }

    Reply object(ApiRequest request, ResourceType type, Key key, String subresource) {
        WriteOptions options = options(request, subresource);
        return switch (request.method()) {
            case "GET" -> shown(request, type, 200, objects.get(type, key));
            case "PUT" -> {
                int code = objects.find(type, key).isPresent() ? 200 : 201;
                yield shown(request, type, code, objects.update(type, key, bodyOf(request, type), options));
            }
            case "PATCH" -> patch(request, type, key, options);
            case "DELETE" -> {
                if (!subresource.isEmpty()) {
                    throw ApiException.methodNotAllowed("DELETE " + request.path());
                }
                yield delete(request, type, key);
            }
            default -> throw ApiException.methodNotAllowed(request.method() + " " + request.path());
        };
    }

    Reply subresource(ApiRequest request, ResourceType type, Key key, String subresource) {
        if (subresource.equals("status") && type.statusSubresource()) {
            return object(request, type, key, subresource);
        }
        if (subresource.equals("finalize") && type.is("namespaces") && request.method().equals("PUT")) {
            return shown(request, type, 200,
                    objects.update(type, key, request.bodyObject(), request.writeOptions("")));
        }
        return subresources.handle(request, type, key, subresource);
    }

    private Reply patch(ApiRequest request, ResourceType type, Key key, WriteOptions options) {
        if (request.contentType().equals("application/apply-patch+yaml")) {
            if (request.query("fieldManager").isEmpty()) {
                throw ApiException
                        .unprocessable("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value:"
                                + " is required for apply patch");
            }
            boolean existed = store.get(type.groupResource(), key).isPresent();
            if (!existed) { // who may patch may not for that reason create
                authorizer.check(request.user(), new Attributes("create", type.group(), type.plural(),
                        options.subresource(), key.namespace(), key.name(), ""));
            }
            ObjectNode config = Json.parseObject(request.body(), true);
            if (config.isEmpty()) {
                throw ApiException.badRequest("invalid object type: apiVersion and kind must be set");
            }
            ApiObject applied = objects.apply(type, key, config, options);
            return shown(request, type, existed ? 200 : 201, applied);
        }
        if (options.force()) {
            throw ApiException.unprocessable(
                    "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch");
        }
        return shown(request, type, 200,
                objects.patch(type, key, current -> Patches.apply(request, current, type), options));
    }

    private Reply delete(ApiRequest request, ResourceType type, Key key) {
        DeleteOptions options = DeleteOptions.parse(request.optionalBody(), request.query());
        ObjectLifecycle.Deletion deletion = objects.delete(type, key, options);
        ApiObject object = deletion.object();
        if (!deletion.gone() || type.is("pods")) {
            return shown(request, type, 200, object);
        }
        ObjectNode status = success();
        status.putObject("details")
                .put("name", object.name())
                .put("group", type.group())
                .put("kind", type.plural())
                .put("uid", object.uid());
        return Reply.json(200, status);
    }

    private Reply deleteCollection(ApiRequest request, ResourceType type, String namespace) {
        DeleteOptions options = DeleteOptions.parse(request.optionalBody(), request.query());
        Predicate<ApiObject> selected = selected(request, type);
        for (ApiObject object : store.list(type.groupResource(), namespace).objects()) {
            if (selected.test(object)) {
                try {
                    objects.delete(type, object.key(), options);
                } catch (ApiException e) {
                    if (e.code() != 404) { // gone meanwhile is what was asked for
                        throw e;
                    }
                }
            }
        }
        return Reply.json(200, success());
    }

    private static ObjectNode success() {
        ObjectNode status = Json.object().put("kind", "Status").put("apiVersion", "v1");
        status.putObject("metadata");
        return status.put("status", "Success");
    }

    private Reply list(ApiRequest request, ResourceType type, String namespace) {
        Predicate<ApiObject> selected = selected(request, type);
        if (request.flag("watch")) {
            return watch(request, type, namespace, selected);
        }
        Page page = Page.of(request);
        long notOlder = request.query("continue").isEmpty() ? request.number("resourceVersion", 0) : 0;
        if (notOlder > store.version()) {
            throw ApiException.resourceVersionTooLarge(notOlder, store.version());
        }
        Store.Snapshot snapshot = page.at() < 0
                ? store.list(type.groupResource(), namespace)
                : store.list(type.groupResource(), namespace, page.at());
        List<ApiObject> found = snapshot.objects()
                .stream()
                .filter(selected)
                .filter(object -> object.key().compareTo(page.after()) > 0)
                .toList();
        List<ApiObject> shown = page.limit() > 0 && page.limit() < found.size()
                ? found.subList(0, (int) page.limit())
                : found;
        ObjectNode metadata = Json.object().put("resourceVersion", Long.toString(snapshot.version()));
        if (shown.size() < found.size()) {
            metadata.put("continue", Page.token(snapshot.version(), shown.getLast().key()));
            if (request.query("labelSelector").isEmpty() && request.query("fieldSelector").isEmpty()) {
                metadata.put("remainingItemCount", found.size() - shown.size());
            }
        }
        ObjectNode list;
        if (request.prefers("Table")) {
            list = tables.render(type, shown, request.query("includeObject"));
        } else {
            boolean partial = request.prefers("PartialObjectMetadataList");
            list = Json.object()
                    .put("kind", partial ? "PartialObjectMetadataList" : type.kind() + "List")
                    .put("apiVersion", partial ? "meta.k8s.io/v1" : type.apiVersion());
            ArrayNode items = list.putArray("items");
            shown.forEach(object -> items.add(partial ? metadataOnly(object) : object.json()));
        }
        list.set("metadata", metadata);
        return Reply.json(200, list);
    }

    private Reply watch(ApiRequest request, ResourceType type, String namespace, Predicate<ApiObject> selected) {
        if (request.header("upgrade").equalsIgnoreCase("websocket")) {
            // fabric8 tries a WebSocket first, and takes this answer as "not here, use plain HTTP" at once.
            return new Reply.Empty();
        }
        if (!request.query("resourceVersionMatch").isEmpty()) {
            throw ApiException.invalidOptions("ListOptions", "resourceVersionMatch",
                    "Forbidden: resourceVersionMatch is forbidden for watch");
        }
        if (request.query().containsKey("sendInitialEvents")) {
            throw ApiException.unprocessable("ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden:"
                    + " sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled");
        }
        long version = request.number("resourceVersion", 0);
        if (version < 0) {
            throw ApiException.badRequest("invalid resource version: " + version);
        }
        return watches.watch(type, namespace, version == 0 ? -1 : version, request.flag("allowWatchBookmarks"),
                request.number("timeoutSeconds", 0), selected, object -> render(request, type, object));
    }

    private static Predicate<ApiObject> selected(ApiRequest request, ResourceType type) {
        return Selectors.byLabels(request.query("labelSelector"))
                .and(Selectors.byFields(request.query("fieldSelector"), type));
    }

    private Reply shown(ApiRequest request, ResourceType type, int code, ApiObject object) {
        return Reply.json(code, render(request, type, object));
    }

    private static ObjectNode metadataOnly(ApiObject object) {
        ObjectNode partial = Json.object().put("kind", "PartialObjectMetadata").put("apiVersion", "meta.k8s.io/v1");
        partial.set("metadata", object.metadata());
        return partial;
    }

    private ObjectNode render(ApiRequest request, ResourceType type, ApiObject object) {
        if (request.prefers("PartialObjectMetadata")) {
            return metadataOnly(object);
        }
        if (!request.prefers("Table")) {
            return object.json();
        }
        ObjectNode table = tables.render(type, List.of(object), request.query("includeObject"));
        table.withObjectProperty("metadata").put("resourceVersion", object.resourceVersion());
        return table;
    }
}
