package dev.dormouse.gateway.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.load.ModelTraffic;
import dev.dormouse.gateway.route.ModelRoute;
import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where a person with a pager looks (BL32, BL38): what runs, who waits in which place, and how to end one request. On a
 * port of its own, which is bound to loopback unless told otherwise: whoever reaches it may cancel requests.
 */
final class AdminHandler implements Handler<HttpServerRequest> {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern ONE_REQUEST = Pattern.compile("/admin/requests/(\\d{1,18})");
    private static final Pattern SLEEP = Pattern.compile("/admin/(?:models/([^/]+)/([^/]+)/)?sleep");
    private static final int DEFAULT_GRACE_SECONDS = 30;
    private static final int SECONDS_BEYOND_GRACE = 60;
    private static final int MOST_SECONDS = 86_400;

    private final Dispatcher dispatcher;
    private final Supplier<Future<Void>> drain;

    /** @param drain lets this gateway finish what it has, and take nothing more */
    AdminHandler(Dispatcher dispatcher, Supplier<Future<Void>> drain) {
        this.dispatcher = dispatcher;
        this.drain = drain;
    }

    @Override
    public void handle(HttpServerRequest request) {
        String path = request.path() == null ? "" : request.path();
        Matcher one = ONE_REQUEST.matcher(path);
        Matcher sleep = SLEEP.matcher(path);
        if (request.method() == HttpMethod.DELETE && one.matches()) {
            boolean cancelled = dispatcher.cancel(Long.parseLong(one.group(1)));
            answer(request, cancelled ? 200 : 404, JSON.createObjectNode().put("cancelled", cancelled));
        } else if (request.method() == HttpMethod.POST && sleep.matches()) {
            putToSleep(request,
                    sleep.group(1) == null
                            ? Optional.empty()
                            : Optional.of(new ModelKey(sleep.group(1), sleep.group(2))));
        } else if (request.method() == HttpMethod.POST && path.equals("/admin/drain")) {
            drain.get().onSuccess(idle -> answer(request, 200, JSON.createObjectNode().put("drained", true)));
        } else if (request.method() == HttpMethod.GET && path.equals("/admin/models")) {
            answer(request, 200, models());
        } else if (request.method() == HttpMethod.GET && path.equals("/admin/requests")) {
            answer(request, 200, requests());
        } else if (request.method() == HttpMethod.GET && path.equals("/admin/traffic")) {
            answer(request, 200, traffic());
        } else {
            answer(request, 404, JSON.createObjectNode()
                    .put("error", "There are GET /admin/models, /admin/requests and /admin/traffic, DELETE"
                            + " /admin/requests/<id>, POST /admin/models/<namespace>/<name>/sleep, /admin/sleep and"
                            + " /admin/drain."));
        }
    }

    /** Answers when the models sleep: 200; 504 if some do not in time. @param only absent for all that are awake */
    private void putToSleep(HttpServerRequest request, Optional<ModelKey> only) {
        int grace = seconds(request, "graceSeconds", DEFAULT_GRACE_SECONDS);
        int timeout = seconds(request, "timeoutSeconds", Math.min(MOST_SECONDS, grace + SECONDS_BEYOND_GRACE));
        if (grace < 0 || timeout < 0) {
            answer(request, 400, JSON.createObjectNode()
                    .put("error", "graceSeconds and timeoutSeconds must be whole numbers from 0 to " + MOST_SECONDS));
            return;
        }
        List<ModelRoute> awake = dispatcher.routes()
                .listing()
                .map(Map.Entry::getValue)
                .filter(model -> only.isEmpty()
                        ? !dispatcher.routes().pods(model.key()).isEmpty()
                        : model.key().equals(only.get()))
                .toList();
        List<ModelKey> free = awake.stream()
                .filter(model -> model.traffic().replicas().least() == 0)
                .map(ModelRoute::key)
                .toList();
        if (only.isPresent() && awake.isEmpty()) {
            answer(request, 404, JSON.createObjectNode().put("error", "there is no model " + only.get()));
        } else if (only.isPresent() && free.isEmpty()) {
            answer(request, 409, JSON.createObjectNode()
                    .put("error", "spec.replicas or scaling.minReplicas holds " + only.get() + " awake"));
        } else {
            dispatcher.sleepOrders()
                    .give(free, Duration.ofSeconds(grace), Duration.ofSeconds(timeout))
                    .onSuccess(outcome -> answer(request, outcome.left().isEmpty() ? 200 : 504, outcome(outcome)))
                    .onFailure(refused -> answer(request, 502, JSON.createObjectNode()
                            .put("error", "the cluster did not take the order: " + refused.getMessage())));
        }
    }

    private static JsonNode outcome(SleepOrders.Outcome outcome) {
        ObjectNode told = JSON.createObjectNode();
        outcome.models()
                .stream()
                .filter(model -> !outcome.left().contains(model))
                .forEach(
                        model -> told.withArray("asleep").add(model.toString()));
        outcome.left().forEach(model -> told.withArray("awake").add(model.toString()));
        return told;
    }

    /** -1 for what is no such number. */
    private static int seconds(HttpServerRequest request, String parameter, int otherwise) {
        String text = request.getParam(parameter);
        if (text == null) {
            return otherwise;
        }
        return text.matches("\\d{1,5}") && Integer.parseInt(text) <= MOST_SECONDS ? Integer.parseInt(text) : -1;
    }

    private JsonNode models() {
        ArrayNode list = JSON.createArrayNode();
        dispatcher.view()
                .models()
                .forEach(model -> list.addObject()
                        .put("model", model.key().toString())
                        .put("replicas", model.replicas())
                        .put("serving", model.serving())
                        .put("waiting", model.waiting())
                        .put("limit", model.limit())
                        .put("phase", model.phase()));
        return list;
    }

    private JsonNode requests() {
        Instant now = dispatcher.now();
        ArrayNode list = JSON.createArrayNode();
        List<GatewayView.Carried> carried = dispatcher.view().carried();
        for (GatewayView.Carried each : carried) {
            ObjectNode entry = list.addObject()
                    .put("id", each.id())
                    .put("model", each.trace().model().toString())
                    .put("method", each.trace().method())
                    .put("path", each.trace().path())
                    .put("client", each.trace().client())
                    .put("ageMillis", Duration.between(each.trace().arrivedAt(), now).toMillis())
                    .put("bytes", each.trace().bytes())
                    .put("state", each.trace().pod().isPresent() ? "Serving" : "Waiting");
            each.trace().pod().ifPresent(pod -> entry.put("pod", pod));
            each.position().ifPresent(position -> entry.put("position", position));
        }
        return list;
    }

    /** W74–W77: durations in milliseconds, patterns by name. */
    private JsonNode traffic() {
        List<ModelTraffic> models = dispatcher.view().traffic();
        long requests = dispatcher.view().requestsInAll();
        long cached = dispatcher.view().cachedInAll();
        ObjectNode all = JSON.createObjectNode()
                .put("activeModels", models.size())
                .put("totalRequests", requests)
                .put("cachedRequests", cached)
                .put("cacheHitRate", requests == 0 ? 0 : (double) cached / requests)
                .put("meanLatencyMillis", meanOfModels(models))
                .put("meanLatencyMillisByRequest", meanOfRequests(models));
        ObjectNode patterns = all.putObject("modelsByPattern");
        models.forEach(model -> patterns.put(model.pattern().pattern().name(),
                patterns.path(model.pattern().pattern().name()).asInt() + 1));
        ArrayNode list = all.putArray("models");
        models.forEach(model -> describe(model, list.addObject()));
        return all;
    }

    /** Every model counts alike, however often it is asked (W75). */
    private static double meanOfModels(List<ModelTraffic> models) {
        return models.stream()
                .filter(model -> model.latency().mean().isPositive())
                .mapToDouble(model -> millis(model.latency().mean()))
                .average()
                .orElse(0);
    }

    private static double meanOfRequests(List<ModelTraffic> models) {
        long count = models.stream().mapToLong(model -> model.latency().count()).sum();
        double sum = models.stream()
                .mapToDouble(model -> millis(model.latency().mean()) * model.latency().count())
                .sum();
        return count == 0 ? 0 : sum / count;
    }

    private static void describe(ModelTraffic model, ObjectNode entry) {
        entry.put("model", model.model().toString())
                .put("pattern", model.pattern().pattern().name())
                .put("why", model.pattern().why())
                .put("requests", model.requests())
                .put("cached", model.cached())
                .put("failed", model.failed())
                .put("requestsPerSecond", model.perSecond())
                .put("inputTokens", model.inputTokens())
                .put("outputTokens", model.outputTokens());
        describe(model.latency(), entry.putObject("latencyMillis"));
        describe(model.firstByte(), entry.putObject("firstByteMillis"));
    }

    private static void describe(ModelTraffic.Times times, ObjectNode entry) {
        entry.put("count", times.count())
                .put("mean", millis(times.mean()))
                .put("p50", millis(times.p50()))
                .put("p95", millis(times.p95()))
                .put("p99", millis(times.p99()));
    }

    private static double millis(Duration time) {
        return time.toNanos() / 1e6;
    }

    private static void answer(HttpServerRequest request, int status, JsonNode body) {
        try {
            request.response()
                    .setStatusCode(status)
                    .putHeader("Content-Type", "application/json")
                    .end(JSON.writeValueAsString(body) + "\n")
                    .onFailure(gone -> {
                        // Whoever asked has left; nothing is owed to anybody.
                    });
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree of strings could not be written", e);
        }
    }
}
