package dev.dormouse.cluster.apiserver;

import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One served kind and how it behaves. {@code schema} is computed at the first write, because the schemas of built-in
 * kinds are large.
 *
 * @param scale the paths of the scale subresource, null when there is none
 * @param countsGenerations whether a change outside metadata and status raises {@code metadata.generation}
 * @param custom defined by a CustomResourceDefinition
 */
record ResourceType(
        String group,
        String version,
        String kind,
        String plural,
        boolean namespaced,
        List<String> shortNames,
        List<String> categories,
        boolean statusSubresource,
        @Nullable ScalePaths scale,
        boolean countsGenerations,
        boolean custom,
        List<Column> columns,
        Supplier<Schema> schemaSource) {

    /** Where a custom resource keeps what {@code /scale} shows: paths such as {@code .spec.replicas}. */
    record ScalePaths(String specReplicas, String statusReplicas, @Nullable String selector) {}

    String apiVersion() {
        return group.isEmpty() ? version : group + "/" + version;
    }

    /** {@code pods} or {@code inferencemodels.dormouse.dev}: how errors, and the store, name the type. */
    String groupResource() {
        return group.isEmpty() ? plural : plural + "." + group;
    }

    String singular() {
        return kind.toLowerCase(java.util.Locale.ROOT);
    }

    Schema schema() {
        return schemaSource.get();
    }

    boolean is(String groupResource) {
        return groupResource().equals(groupResource);
    }
}
