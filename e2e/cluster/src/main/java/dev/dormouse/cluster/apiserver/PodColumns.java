package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;

/** What {@code kubectl get} computes for pods, nodes and events instead of showing a field. */
final class PodColumns {

    private PodColumns() {}

    /** Ready containers of all, native sidecars included. */
    static String ready(ApiObject pod) {
        long containers = pod.json().at("/spec/containers").size() + pod.json()
                .at("/spec/initContainers")
                .valueStream()
                .filter(container -> container.path("restartPolicy").asText().equals("Always"))
                .count();
        long ready = pod.json().at("/status/containerStatuses").valueStream().filter(PodColumns::isReady).count();
        long sidecars = pod.json()
                .at("/status/initContainerStatuses")
                .valueStream()
                .filter(status -> isReady(status) && isSidecar(pod, status.path("name").asText()))
                .count();
        return ready + sidecars + "/" + containers;
    }

    /** The reason that explains the pod best: of an init container that is not done, of a container, of the pod. */
    static String status(ApiObject pod) {
        JsonNode status = pod.json().path("status");
        if (pod.deleting()) {
            return "Terminating";
        }
        int done = 0;
        for (JsonNode init : status.path("initContainerStatuses")) {
            boolean sidecar = isSidecar(pod, init.path("name").asText());
            boolean finished = init.at("/state/terminated/exitCode").asInt(-1) == 0
                    || sidecar && init.path("started").asBoolean();
            if (!finished) {
                String reason = reason(init);
                int all = pod.json().at("/spec/initContainers").size();
                return reason.isEmpty() || reason.equals("PodInitializing")
                        ? "Init:" + done + "/" + all
                        : "Init:" + reason;
            }
            done++;
        }
        for (JsonNode container : status.path("containerStatuses")) {
            String reason = reason(container);
            if (!reason.isEmpty()) {
                return reason;
            }
        }
        return status.path("reason").asText(status.path("phase").asText("Pending"));
    }

    static JsonNode restarts(ApiObject pod, Instant now) {
        int restarts = 0;
        for (String list : new String[]{"containerStatuses", "initContainerStatuses"}) {
            for (JsonNode status : pod.json().path("status").path(list)) {
                restarts += status.path("restartCount").asInt();
            }
        }
        return Json.MAPPER.getNodeFactory().numberNode(restarts);
    }

    static String nodeStatus(ApiObject node) {
        boolean ready = node.json()
                .at("/status/conditions")
                .valueStream()
                .anyMatch(c -> c.path("type").asText().equals("Ready") && c.path("status").asText().equals("True"));
        boolean cordoned = node.json().at("/spec/unschedulable").asBoolean();
        return (ready ? "Ready" : "NotReady") + (cordoned ? ",SchedulingDisabled" : "");
    }

    static String eventObject(ApiObject event) {
        JsonNode object = event.json().path("involvedObject");
        return object.path("kind").asText().toLowerCase(java.util.Locale.ROOT) + "/" + object.path("name").asText();
    }

    private static boolean isReady(JsonNode containerStatus) {
        return containerStatus.path("ready").asBoolean();
    }

    private static boolean isSidecar(ApiObject pod, String container) {
        return pod.json()
                .at("/spec/initContainers")
                .valueStream()
                .anyMatch(
                        c -> c.path("name").asText().equals(container)
                                && c.path("restartPolicy").asText().equals("Always"));
    }

    private static String reason(JsonNode containerStatus) {
        JsonNode state = containerStatus.path("state");
        if (state.has("terminated")) {
            return state.at("/terminated/reason").asText("Error");
        }
        return state.at("/waiting/reason").asText("");
    }
}
