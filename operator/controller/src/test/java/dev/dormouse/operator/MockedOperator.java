package dev.dormouse.operator;

import static org.awaitility.Awaitility.await;

import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.server.mock.KubernetesMockServer;
import io.fabric8.mockwebserver.http.RecordedRequest;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A whole operator before an API server that answers what a test expects of it, and nothing else. */
final class MockedOperator implements AutoCloseable {
    static final String MODELS = "/apis/dormouse.dev/v1alpha1/inferencemodels";
    static final String SNAPSHOTS = "/apis/dormouse.dev/v1alpha1/modelsnapshots";
    static final String POOLS = "/apis/dormouse.dev/v1alpha1/gpupools";
    static final String CLAIMS = "/api/v1/persistentvolumeclaims";
    static final String NODES = "/api/v1/nodes";
    private static final String PODS = "/api/v1/pods";
    /** Those of models, and those of models and volumes. */
    private static final List<String> POD_SELECTORS = List.of("labelSelector=dormouse.dev%2Fmodel",
            "labelSelector=app.kubernetes.io%2Fmanaged-by%3Ddormouse");

    private final KubernetesMockServer server;
    private final Queue<Request> requests = new ConcurrentLinkedQueue<>();
    private final Thread recorder = Thread.ofVirtual().unstarted(this::record);
    private final DormouseOperator operator;

    /** @param path with its query */
    record Request(String method, String path, String body) {
        boolean is(String itsMethod, String itsPath) {
            return method.equals(itsMethod) && path.equals(itsPath);
        }
    }

    MockedOperator(KubernetesMockServer server, KubernetesClient client) throws IOException {
        this.server = server;
        operator = new DormouseOperator(client, OperatorConfig.fromEnvironment(Map.of("DORMOUSE_BIND", "127.0.0.1",
                "DORMOUSE_HTTP_PORT", "0", "DORMOUSE_LEADER_ELECTION", "false")), Clock.systemUTC(), () -> {
                });
        recorder.start();
    }

    DormouseOperator operator() {
        return operator;
    }

    /** Lists and watches of everything but models: there is nothing, and nothing happens. */
    void expectNothingBesideModels() {
        for (String path : List.of(SNAPSHOTS, POOLS, CLAIMS, NODES)) {
            expectList(server, path, "");
        }
        POD_SELECTORS.forEach(selector -> expectList(server, PODS, selector));
    }

    /** An empty list at version 1 and a watch from there that stays open. */
    static void expectList(KubernetesMockServer server, String path, String selector) {
        String query = selector.isEmpty() ? "" : selector + "&";
        server.expect().get().withPath(path + "?" + query + "resourceVersion=0").andReturn(200, list("1")).always();
        expectWatch(server, path, query, "1", null);
    }

    /**
     * @param query what a selector adds, with its {@code &}
     * @param event that comes at once; none if null
     */
    static void expectWatch(KubernetesMockServer server, String path, String query, String version,
            @Nullable Object event) {
        // Query parameters are sent in the order of their names.
        var socket = server.expect()
                .get()
                .withPath(path + "?allowWatchBookmarks=true&" + query + "resourceVersion=" + version
                        + "&timeoutSeconds=600&watch=true")
                .andUpgradeToWebSocket()
                .open();
        if (event != null) {
            socket = socket.immediately().andEmit(event);
        }
        // A socket with nothing to come would be closed.
        socket.expect("never").andEmit("").once().done().always();
    }

    static String list(String version, String... items) {
        return "{\"metadata\":{\"resourceVersion\":\"%s\"},\"items\":[%s]}".formatted(version, String.join(",", items));
    }

    /** Everything that has been asked so far. */
    List<Request> requests() {
        return List.copyOf(requests);
    }

    List<Request> requests(String method, String path) {
        return requests().stream().filter(request -> request.is(method, path)).toList();
    }

    Request awaitRequest(String method, String path) {
        await().until(() -> !requests(method, path).isEmpty());
        return requests(method, path).getFirst();
    }

    HttpResponse<String> get(String path) throws IOException, InterruptedException {
        try (HttpClient http = HttpClient.newHttpClient()) {
            return http.send(
                    HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + operator.httpPort() + path)).build(),
                    HttpResponse.BodyHandlers.ofString());
        }
    }

    private void record() {
        try {
            while (true) {
                RecordedRequest request = server.takeRequest(1, TimeUnit.SECONDS);
                if (request != null) {
                    requests.add(new Request(request.getMethod(), request.getPath(), request.getBody().readUtf8()));
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() throws InterruptedException {
        operator.close();
        recorder.interrupt();
        recorder.join();
    }
}
