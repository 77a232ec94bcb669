package dev.dormouse.operator.gitops;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * The rules of kstatus for a custom resource, each beside the sentence of its README (sigs.k8s.io/cli-utils,
 * pkg/kstatus/README.md at 704c2d6d) that it follows. Helm 4, kpt, Cloud Deploy and Flux wait by them.
 */
enum Kstatus {
    InProgress, Failed, Current, Terminating;

    static Kstatus of(JsonNode object) {
        // "Terminating: The resource is in the process of being deleted."
        if (object.at("/metadata").hasNonNull("deletionTimestamp")) {
            return Terminating;
        }
        // "If the generation and the observedGeneration of a resource does not match, it means there are changes that the
        // controller has not yet seen, and therefore not acted upon."
        JsonNode observed = object.at("/status/observedGeneration");
        if (!observed.isMissingNode() && observed.asLong() != object.at("/metadata/generation").asLong()) {
            return InProgress;
        }
        // "Reconciling: The controller is currently working on reconciling the latest changes."
        if ("True".equals(condition(object, "Reconciling"))) {
            return InProgress;
        }
        // "Stalled: The controller has encountered an error during the reconcile process or it has made insufficient
        // progress (timeout)."
        if ("True".equals(condition(object, "Stalled"))) {
            return Failed;
        }
        // "If there is a Ready condition and it is True, the library will consider the resource to be fully reconciled. If
        // there is a Ready condition and it is False, the library will consider the resource to be in the process of
        // reconciling."
        String ready = condition(object, "Ready");
        if (!ready.isEmpty()) {
            return ready.equals("True") ? Current : InProgress;
        }
        // "it will fall back to the strategy for unknown resources, which is to assume they are always reconciled"
        return Current;
    }

    static String condition(JsonNode object, String type) {
        for (JsonNode condition : object.at("/status/conditions")) {
            if (condition.path("type").asText().equals(type)) {
                return condition.path("status").asText();
            }
        }
        return "";
    }
}
