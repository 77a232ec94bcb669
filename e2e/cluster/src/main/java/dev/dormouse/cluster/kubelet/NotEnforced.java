package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.PodSecurityContext;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.SecurityContext;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** What a pod asks for and a process node lets pass without doing it. Said once per pod, never silently. */
final class NotEnforced {
    /** Names of such fields, comma-separated; empty when there is none. */
    static String of(PodSpec spec) {
        List<String> fields = new ArrayList<>();
        add(fields, any(spec, c -> c.getResources() != null && hasComputeLimit(c)),
                "resources.limits of cpu and memory");
        add(fields,
                any(spec, c -> c.getSecurityContext() != null && !c.getSecurityContext().equals(new SecurityContext()))
                        || spec.getSecurityContext() != null
                                && !spec.getSecurityContext().equals(new PodSecurityContext()),
                "securityContext");
        add(fields, any(spec, c -> c.getLifecycle() != null && c.getLifecycle().getPreStop() != null),
                "lifecycle.preStop");
        add(fields, any(spec, c -> c.getLifecycle() != null && c.getLifecycle().getPostStart() != null),
                "lifecycle.postStart");
        add(fields, !spec.getResourceClaims().isEmpty(), "resourceClaims (they count as satisfied)");
        add(fields, spec.getRuntimeClassName() != null, "runtimeClassName");
        add(fields, spec.getActiveDeadlineSeconds() != null, "activeDeadlineSeconds");
        add(fields, !spec.getImagePullSecrets().isEmpty(), "imagePullSecrets");
        add(fields, any(spec, c -> c.getVolumeMounts().stream().anyMatch(m -> Boolean.TRUE.equals(m.getReadOnly()))),
                "readOnly mounts");
        return String.join(", ", fields);
    }

    private static boolean hasComputeLimit(Container container) {
        Map<?, ?> limits = container.getResources().getLimits();
        return limits != null && (limits.containsKey("cpu") || limits.containsKey("memory"));
    }

    private static boolean any(PodSpec spec, Predicate<Container> test) {
        return Stream.concat(spec.getInitContainers().stream(), spec.getContainers().stream()).anyMatch(test);
    }

    private static void add(List<String> fields, boolean asked, String field) {
        if (asked) {
            fields.add(field);
        }
    }

    private NotEnforced() {}
}
