package dev.dormouse.e2e.conformance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A custom resource with one of everything that a schema can say, {@code conformance/widgets.yaml}. */
final class Widgets {
    static final String GROUP = "conformance.dormouse.dev";
    static final String CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    static final String NAME = "widgets." + GROUP;

    private Widgets() {}

    /** The definition, in YAML. */
    static String definition() {
        return read(TestCluster.RESOURCES.resolve("widgets.yaml"));
    }

    static String url(String namespace) {
        return "/apis/" + GROUP + "/v1/namespaces/" + namespace + "/widgets";
    }

    /** A widget in JSON. */
    static String widget(String name, String spec) {
        return """
               {"apiVersion": "%s/v1", "kind": "Widget", "metadata": {"name": "%s"}, "spec": {%s}}"""
                .formatted(GROUP, name, spec);
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
