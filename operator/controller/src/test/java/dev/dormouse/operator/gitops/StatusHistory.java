package dev.dormouse.operator.gitops;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.operator.TestCluster;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Every version of one model that the API server tells a watcher. */
final class StatusHistory implements AutoCloseable, Watcher<GenericKubernetesResource> {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final List<JsonNode> versions = new CopyOnWriteArrayList<>();
    private final Watch watch;

    StatusHistory(TestCluster cluster, String name) {
        watch = cluster.client()
                .genericKubernetesResources(ResourceDefinitionContext.fromResourceType(InferenceModel.class))
                .inNamespace(TestCluster.NAMESPACE)
                .withName(name)
                .watch(this);
    }

    List<JsonNode> versions() {
        return List.copyOf(versions);
    }

    /** Status and reason of Ready, without repetitions: {@code False/FirstStart}. */
    List<String> readiness() {
        List<String> all = new ArrayList<>();
        for (JsonNode version : versions) {
            for (JsonNode condition : version.at("/status/conditions")) {
                String now = condition.path("status").asText() + "/" + condition.path("reason").asText();
                if (condition.path("type").asText().equals("Ready") && (all.isEmpty() || !all.getLast().equals(now))) {
                    all.add(now);
                }
            }
        }
        return all;
    }

    @Override
    public void eventReceived(Action action, GenericKubernetesResource resource) {
        if (action == Action.ADDED || action == Action.MODIFIED) {
            versions.add(JSON.valueToTree(resource));
        }
    }

    @Override
    public void onClose(WatcherException cause) {
        // The test ends, or fails on what is missing.
    }

    @Override
    public void close() {
        watch.close();
    }
}
