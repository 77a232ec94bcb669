package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Store.Key;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Finds out what a request is about and whether its user may, and has it answered. */
final class Routes {
    private static final Pattern ONE_NAME = Pattern.compile("metadata\\.name==?([^,!=]+)");

    private final ResourceTypes types;
    private final Discovery discovery;
    private final OpenApi openApi;
    private final Verbs verbs;
    private final Authorizer authorizer;
    private final AccessReviews reviews;

    Routes(ResourceTypes types, Store store, ObjectLifecycle objects, Tables tables, Subresources subresources,
            Authorizer authorizer, AccessReviews reviews) {
        this.types = types;
        this.discovery = new Discovery(types);
        this.openApi = new OpenApi(types, discovery);
        this.verbs = new Verbs(store, objects, tables, subresources, authorizer);
        this.authorizer = authorizer;
        this.reviews = reviews;
    }

    Reply handle(ApiRequest request) {
        List<String> path = request.segments();
        if (path.isEmpty()) {
            throw ApiException.noSuchPath("/");
        }
        if (!isAboutResource(path)) {
            String verb = request.method().toLowerCase(Locale.ROOT);
            authorizer.check(request.user(), Attributes.ofPath(verb, request.path()));
        }
        return switch (path.getFirst()) {
            case "api" -> path.size() < 3
                    ? discover(request, true)
                    : path.get(1).equals("v1")
                            ? resource(request, "", "v1", path.subList(2, path.size()))
                            : notFound(request);
            case "apis" -> path.size() < 4
                    ? discover(request, false)
                    : resource(request, path.get(1), path.get(2), path.subList(3, path.size()));
            case "openapi" -> openApi(request);
            case "version" -> Reply.json(200, version());
            case "healthz", "livez", "readyz" ->
                new Reply.Stream("text/plain", out -> out.write("ok".getBytes(StandardCharsets.UTF_8)));
            default -> notFound(request);
        };
    }

    private static boolean isAboutResource(List<String> path) {
        return path.getFirst().equals("api") && path.size() > 2 || path.getFirst().equals("apis") && path.size() > 3;
    }

    private static Reply notFound(ApiRequest request) {
        throw ApiException.noSuchPath(request.path());
    }

    private Reply discover(ApiRequest request, boolean core) {
        List<String> path = request.segments();
        requireGet(request);
        return switch (path.size()) {
            case 1 -> request.prefers("APIGroupDiscoveryList")
                    ? discovery.aggregated(core)
                    : Reply.json(200, core ? discovery.coreVersions() : discovery.groups());
            case 2 -> Reply.json(200, core ? discovery.resources("", path.get(1)) : discovery.group(path.get(1)));
            default -> Reply.json(200, discovery.resources(path.get(1), path.get(2)));
        };
    }

    private Reply openApi(ApiRequest request) {
        List<String> path = request.segments();
        requireGet(request);
        if (path.size() < 2 || !path.get(1).equals("v3")) {
            throw ApiException.noSuchPath(request.path());
        }
        return switch (path.size()) {
            case 2 -> Reply.json(200, openApi.index());
            case 4 -> Reply.json(200, openApi.document("", path.get(3)));
            case 5 -> Reply.json(200, openApi.document(path.get(3), path.get(4)));
            default -> throw ApiException.noSuchPath(request.path());
        };
    }

    private static void requireGet(ApiRequest request) {
        if (!request.method().equals("GET")) {
            throw ApiException.methodNotAllowed(request.method() + " " + request.path());
        }
    }

    private static ObjectNode version() {
        String[] parts = ApiServer.VERSION.substring(1).split("\\.");
        return Json.object()
                .put("major", parts[0])
                .put("minor", parts[1])
                .put("gitVersion", ApiServer.VERSION)
                .put("gitCommit", "")
                .put("gitTreeState", "")
                .put("buildDate", "1970-01-01T00:00:00Z")
                .put("goVersion", "none")
                .put("compiler", "javac")
                .put("platform", "embedded control plane, not Kubernetes");
    }

    private Reply resource(ApiRequest request, String group, String version, List<String> rest) {
        String namespace = "";
        List<String> path = rest;
        boolean ofNamespace = path.size() == 3 && List.of("status", "finalize").contains(path.get(2));
        if (path.getFirst().equals("namespaces") && path.size() >= 3 && !ofNamespace) {
            namespace = path.get(1);
            path = path.subList(2, path.size());
        }
        String plural = path.getFirst();
        String name = path.size() > 1 ? path.get(1) : "";
        String subresource = path.size() > 2 ? path.get(2) : "";
        authorizer.check(request.user(), attributes(request, group, plural, subresource, namespace, name));
        if (AccessReviews.isOne(group, version, plural) && request.method().equals("POST") && path.size() == 1) {
            return Reply.json(201, reviews.answer(plural, namespace, request.user(), request.bodyObject()));
        }
        ResourceType type = types.find(group, version, plural)
                .orElseThrow(() -> ApiException.noSuchPath(request.path()));
        if (!type.namespaced() && !namespace.isEmpty() || path.size() > 3) {
            throw ApiException.noSuchPath(request.path());
        }
        request.checkAcceptable(); // before anything is written
        return switch (path.size()) {
            case 1 -> verbs.collection(request, type, namespace);
            case 2 -> verbs.object(request, type, new Key(namespace, name), "");
            default -> verbs.subresource(request, type, new Key(namespace, name), subresource);
        };
    }

    private static Attributes attributes(ApiRequest request, String group, String resource, String subresource,
            String namespace, String name) {
        boolean one = !name.isEmpty();
        String verb = switch (request.method()) {
            case "GET" -> one ? "get" : request.flag("watch") ? "watch" : "list";
            case "POST" -> "create";
            case "PUT" -> "update";
            case "DELETE" -> one ? "delete" : "deletecollection";
            default -> request.method().toLowerCase(Locale.ROOT);
        };
        // Who may see one object by its name may also list and watch it, and only it, by that name.
        Matcher field = ONE_NAME.matcher(request.query("fieldSelector"));
        String about = !one && field.matches() ? field.group(1) : name;
        return new Attributes(verb, group, resource, subresource, namespace, about, "");
    }
}
