package dev.dormouse.operator.resolve;

import java.util.List;

/** Where a model's files are. */
public sealed interface ModelSource {
    /** Where the engine sees a claim. */
    String MOUNT = "/mnt/models";

    /** A path in a claim of the model's namespace. */
    record Claim(String claim, String path) implements ModelSource {
        /** Where the engine finds the files. */
        public String enginePath() {
            return path.isEmpty() ? MOUNT : MOUNT + "/" + path;
        }
    }

    /** A path in the engine's own file system. */
    record LocalPath(String path) implements ModelSource {}

    /** Nothing that this version can serve; no event heals it, only another spec. */
    record Unsupported(String reason, String message) implements ModelSource {}

    static ModelSource parse(String uri) {
        int colon = uri.indexOf("://");
        String scheme = colon < 0 ? uri : uri.substring(0, colon);
        String rest = colon < 0 ? "" : uri.substring(colon + 3);
        return switch (scheme) {
            case "pvc" -> claim(uri, rest);
            case "file" -> rest.startsWith("/")
                    ? new LocalPath(rest)
                    : new Unsupported("InvalidModelUri",
                            "spec.model.uri \"" + uri + "\" needs an absolute path: file:///<path>");
            default ->
                new Unsupported("UnknownScheme", "spec.model.uri \"" + uri + "\" has the unknown scheme \"" + scheme
                        + "\"; known are pvc://<claim>/<path> and file:///<path>");
        };
    }

    private static ModelSource claim(String uri, String rest) {
        int slash = rest.indexOf('/');
        String claim = slash < 0 ? rest : rest.substring(0, slash);
        String path = slash < 0 ? "" : rest.substring(slash + 1);
        boolean escapes = List.of(path.split("/")).contains("..");
        if (claim.isEmpty() || escapes) {
            return new Unsupported("InvalidModelUri", "spec.model.uri \"" + uri
                    + "\" must name a claim and a path inside it, without \"..\": pvc://<claim>/<path>");
        }
        return new Claim(claim, path);
    }
}
