package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.cluster.apiserver.Store.Key;
import java.util.List;

/**
 * Deletes a pod for somebody who must leave enough of its like. What a PodDisruptionBudget allows is computed at the
 * eviction, from the pods it selects; in a cluster a controller keeps the number in its status.
 *
 * @see <a href="https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/">API-initiated eviction</a>
 */
final class Evictions {
    private static final String BUDGETS = "poddisruptionbudgets.policy";

    private final Store store;
    private final ObjectLifecycle objects;

    Evictions(Store store, ObjectLifecycle objects) {
        this.store = store;
        this.objects = objects;
    }

    /** @throws ApiException 429 when a budget does not allow it now, 500 when more than one budget covers the pod */
    void evict(ResourceType pods, Key key, DeleteOptions options) {
        ApiObject pod = objects.get(pods, key);
        synchronized (this) { // two evictions at once must not both use the last disruption
            if (isHealthy(pod)) {
                checkBudgets(pods, pod);
            }
            objects.delete(pods, key, options);
        }
    }

    private void checkBudgets(ResourceType pods, ApiObject pod) {
        List<ApiObject> covering = store.list(BUDGETS, pod.namespace())
                .objects()
                .stream()
                .filter(budget -> selects(budget, pod))
                .toList();
        if (covering.size() > 1) {
            throw ApiException.internal("This pod has more than one PodDisruptionBudget, which the eviction subresource"
                    + " does not support.");
        }
        for (ApiObject budget : covering) {
            List<ApiObject> selected = store.list("pods", pod.namespace())
                    .objects()
                    .stream()
                    .filter(each -> selects(budget, each))
                    .toList();
            long healthy = selected.stream().filter(Evictions::isHealthy).count();
            long needed = needed(budget.json().path("spec"), selected.size());
            if (healthy - 1 < needed) {
                throw ApiException.disruptionBudget(pods, pod.name(), "The disruption budget " + budget.name()
                        + " needs " + needed + " healthy pods and has " + healthy + " currently");
            }
        }
    }

    private static boolean selects(ApiObject budget, ApiObject pod) {
        JsonNode selector = budget.json().at("/spec/selector");
        return selector.isObject() && Selectors.byLabelSelector(selector).test(pod);
    }

    private static boolean isHealthy(ApiObject pod) {
        return !pod.deleting() && pod.json()
                .at("/status/conditions")
                .valueStream()
                .anyMatch(condition -> condition.path("type").asText().equals("Ready")
                        && condition.path("status").asText().equals("True"));
    }

    private static long needed(JsonNode spec, int expected) {
        return spec.has("minAvailable")
                ? count(spec.get("minAvailable"), expected)
                : expected - count(spec.path("maxUnavailable"), expected);
    }

    /** A number, or a percentage of the expected pods, rounded up. */
    private static long count(JsonNode value, int expected) {
        String text = value.asText("0");
        try {
            return text.endsWith("%")
                    ? (long) Math.ceil(Integer.parseInt(text.substring(0, text.length() - 1)) * expected / 100.0)
                    : Integer.parseInt(text);
        } catch (NumberFormatException _) {
            throw ApiException.internal("a disruption budget has neither a number nor a percentage: " + text);
        }
    }
}
