package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * A request, read completely.
 *
 * @param segments the parts of the path, decoded
 * @param query the last value of each parameter
 * @param headers by lower-case name
 * @param warnings what the answer will carry as {@code Warning} headers
 */
record ApiRequest(User user, String method, List<String> segments, Map<String, String> query,
        Map<String, String> headers, byte[] body, List<String> warnings) {

    static ApiRequest of(User user, String method, URI uri, Map<String, String> headers, byte[] body) {
        List<String> segments = Arrays.stream(uri.getRawPath().split("/"))
                .filter(part -> !part.isEmpty())
                .map(ApiRequest::decode)
                .toList();
        Map<String, String> query = new HashMap<>();
        String raw = uri.getRawQuery() == null ? "" : uri.getRawQuery();
        for (String pair : raw.split("&")) {
            int equals = pair.indexOf('=');
            if (!pair.isEmpty()) {
                query.put(decode(equals < 0 ? pair : pair.substring(0, equals)),
                        equals < 0 ? "" : decode(pair.substring(equals + 1)));
            }
        }
        return new ApiRequest(user, method, segments, query, headers, body, new ArrayList<>());
    }

    private static String decode(String text) {
        try {
            return URLDecoder.decode(text, StandardCharsets.UTF_8);
        } catch (IllegalArgumentException _) {
            throw ApiException.badRequest("malformed escape in the URL: " + text);
        }
    }

    String path() {
        return "/" + String.join("/", segments);
    }

    String query(String name) {
        return query.getOrDefault(name, "");
    }

    boolean flag(String name) {
        String value = query(name);
        return value.equals("true") || value.equals("1");
    }

    /** @throws ApiException 400 when the parameter is there and not a number */
    long number(String name, long fallback) {
        String value = query(name);
        try {
            return value.isEmpty() ? fallback : Long.parseLong(value);
        } catch (NumberFormatException _) {
            throw ApiException.badRequest("query parameter " + name + " must be a number: \"" + value + "\"");
        }
    }

    String header(String name) {
        return headers.getOrDefault(name, "");
    }

    /** The media type of the body without parameters. */
    String contentType() {
        String type = header("content-type");
        int parameters = type.indexOf(';');
        return (parameters < 0 ? type : type.substring(0, parameters)).strip().toLowerCase(Locale.ROOT);
    }

    ObjectNode bodyObject() {
        return switch (contentType()) {
            case "application/json", "" -> Json.parseObject(body, false);
            case "application/yaml" -> Json.parseObject(body, true);
            case "application/vnd.kubernetes.protobuf" -> ProtobufBodies.parse(body);
            default -> throw ApiException.unsupportedMediaType("the body of the request was in an unknown format -"
                    + " accepted media types include: application/json, application/yaml,"
                    + " application/vnd.kubernetes.protobuf; got " + contentType());
        };
    }

    /** A field that comes twice counts once, with a word of warning, or not at all where the client is strict. */
    void checkDuplicates(ResourceType type) {
        if (!contentType().equals("application/json")) {
            return;
        }
        Json.duplicateField(body).ifPresent(field -> {
            String message = "duplicate field \"" + field + "\"";
            switch (query("fieldValidation")) {
                case "Strict" -> throw ApiException.undecodable(type, "strict decoding error: " + message);
                case "Ignore" -> { // as the client asked
                }
                default -> warnings.add(message);
            }
        });
    }

    /** Missing when there is no body. */
    JsonNode optionalBody() {
        return body.length == 0 ? MissingNode.getInstance() : bodyObject();
    }

    /** Whether the client prefers a rendering such as {@code Table} over the plain object. */
    boolean prefers(String as) {
        return firstAccepted().contains("as=" + as + ";") || firstAccepted().endsWith("as=" + as);
    }

    /** The first accepted media range that can be answered. */
    private String firstAccepted() {
        String accept = header("accept");
        for (String range : accept.split(",")) {
            String type = range.replace(" ", "");
            boolean json = type.startsWith("application/json") || type.startsWith("*/*")
                    || type.startsWith("application/*");
            boolean known = !type.contains("as=") || type.contains("as=Table") && type.contains("v=v1;")
                    || type.contains("as=Table") && type.endsWith("v=v1")
                    || type.contains("as=PartialObjectMetadata") && type.contains("g=meta.k8s.io")
                    || type.contains("as=APIGroupDiscoveryList") && type.contains("v=v2")
                            && !type.contains("v=v2beta1");
            if (json && known) {
                return type;
            }
        }
        if (accept.isEmpty()) {
            return "application/json";
        }
        throw ApiException.notAcceptable(accept);
    }

    /** @throws ApiException 406 when nothing the client accepts can be answered */
    void checkAcceptable() {
        firstAccepted();
    }

    WriteOptions writeOptions(String subresource) {
        String validation = query("fieldValidation");
        String dryRun = query("dryRun");
        if (!dryRun.isEmpty() && !dryRun.equals("All")) {
            throw ApiException.invalidOptions(optionsKind(), "dryRun",
                    "Unsupported value: \"" + dryRun + "\": supported values: \"All\"");
        }
        WriteOptions.FieldValidation fields;
        try {
            fields = validation.isEmpty()
                    ? WriteOptions.FieldValidation.Warn
                    : WriteOptions.FieldValidation.valueOf(validation);
        } catch (IllegalArgumentException _) {
            throw ApiException.invalidOptions(optionsKind(), "fieldValidation", "Unsupported value: \"" + validation
                    + "\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"");
        }
        return new WriteOptions(subresource, manager(), flag("force"), !dryRun.isEmpty(), fields, warnings::add,
                (_, _) -> {
                });
    }

    private String optionsKind() {
        return switch (method) {
            case "POST" -> "CreateOptions";
            case "PUT" -> "UpdateOptions";
            case "DELETE" -> "DeleteOptions";
            default -> "PatchOptions";
        };
    }

    /** The field manager the client names, else its program as the user agent tells. */
    private String manager() {
        String manager = query("fieldManager");
        if (manager.isEmpty()) {
            String agent = header("user-agent");
            int end = agent.indexOf('/');
            manager = end < 0 ? agent : agent.substring(0, end);
        }
        return manager.isEmpty() ? "unknown" : manager;
    }
}
