package dev.dormouse.e2e.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.e2e.conformance.Api.Watch;
import dev.dormouse.e2e.conformance.Api.Watch.Event;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** Watches: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes */
@ExtendWith(TestCluster.Extension.class)
class WatchIT {
    private static final String TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1";

    private final TestCluster cluster;
    private final Api api;
    private final String secrets;

    WatchIT(TestCluster cluster) {
        this.cluster = cluster;
        this.api = cluster.api();
        this.secrets = "/api/v1/namespaces/" + cluster.newNamespace() + "/secrets";
    }

    private static String secret(String name, String labels) {
        return "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"%s\", \"labels\": {%s}}}"
                .formatted(name, labels);
    }

    private void create(String name, String labels) {
        assertThat(api.post(secrets, secret(name, labels)).code()).isEqualTo(201);
    }

    private void patch(String name, String json) {
        assertThat(api.patch(secrets + "/" + name, Api.MERGE, json).code()).isEqualTo(200);
    }

    private String listVersion() {
        return api.get(secrets).version();
    }

    private Watch watch(String parameters) {
        return api.watch(secrets + "?watch=true" + parameters);
    }

    @Test
    void aWatchTellsWhatHappensAfterAVersionInOrder() {
        create("before", "");
        try (Watch watch = watch("&resourceVersion=" + listVersion())) {
            create("a", "");
            patch("a", "{\"stringData\": {\"k\": \"v\"}}");
            api.delete(secrets + "/a");
            create("a", "");

            assertThat(watch.next(4)).containsExactly("ADDED a", "MODIFIED a", "DELETED a", "ADDED a");
        }
    }

    @Test
    void aWatchFromAnOldVersionRepeatsWhatHappenedSince() {
        String version = listVersion();
        create("a", "");
        patch("a", "{\"stringData\": {\"k\": \"v\"}}");
        api.delete(secrets + "/a");

        try (Watch watch = watch("&resourceVersion=" + version)) {
            assertThat(watch.next(3)).containsExactly("ADDED a", "MODIFIED a", "DELETED a");
        }
    }

    @Test
    void aWatchWithoutAVersionBeginsWithWhatIsThere() {
        create("a", "");
        create("b", "");
        for (String version : List.of("", "&resourceVersion=0")) {
            try (Watch watch = watch(version)) {
                assertThat(watch.next(2)).containsExactlyInAnyOrder("ADDED a", "ADDED b");
                create("c", "");
                assertThat(watch.next(1)).containsExactly("ADDED c");
                api.delete(secrets + "/c");
            }
        }
    }

    @Test
    void everyEventHasALaterVersionAndADeletionTheLastState() {
        try (Watch watch = watch("&resourceVersion=" + listVersion())) {
            create("a", "\"last\": \"words\"");
            api.delete(secrets + "/a");

            Event added = next(watch);
            Event deleted = next(watch);
            assertThat(deleted.version()).isGreaterThan(added.version());
            assertThat(deleted.object().at("/metadata/labels/last").asText()).isEqualTo("words");
            assertThat(deleted.object().at("/kind").asText()).isEqualTo("Secret");
        }
    }

    @Test
    void anObjectThatLeavesTheSelectionIsDeletedForItsWatcherAndAddedWhenItComesBack() {
        try (Watch watch = watch("&labelSelector=x%3Dy&resourceVersion=" + listVersion())) {
            create("other", "");
            create("a", "\"x\": \"y\"");
            patch("a", "{\"metadata\": {\"labels\": {\"x\": \"z\"}}}");
            patch("a", "{\"metadata\": {\"labels\": {\"more\": \"z\"}}}");
            patch("a", "{\"metadata\": {\"labels\": {\"x\": \"y\"}}}");
            patch("a", "{\"metadata\": {\"labels\": {\"more\": null}}}");

            assertThat(watch.next(4)).containsExactly("ADDED a", "DELETED a", "ADDED a", "MODIFIED a");
        }
    }

    @Test
    void oneObjectCanBeWatched() {
        try (Watch watch = watch("&fieldSelector=metadata.name%3Db&resourceVersion=" + listVersion())) {
            create("a", "");
            create("b", "");
            api.delete(secrets + "/a");
            api.delete(secrets + "/b");

            assertThat(watch.next(2)).containsExactly("ADDED b", "DELETED b");
        }
    }

    @Test
    void whatChangesNothingIsNoEvent() {
        create("a", "\"x\": \"y\"");
        try (Watch watch = watch("&resourceVersion=" + listVersion())) {
            patch("a", "{\"metadata\": {\"labels\": {\"x\": \"y\"}}}");
            api.send("POST", secrets + "?dryRun=All", Map.of("Content-Type", Api.JSON), secret("b", ""));
            create("c", "");

            assertThat(watch.next(1)).containsExactly("ADDED c");
        }
    }

    @Test
    void aDeletionThatWaitsForAFinalizerIsAChangeFirst() {
        try (Watch watch = watch("&resourceVersion=" + listVersion())) {
            create("a", "");
            patch("a", "{\"metadata\": {\"finalizers\": [\"a.test/one\"]}}");
            api.delete(secrets + "/a");
            patch("a", "{\"metadata\": {\"finalizers\": null}}");

            assertThat(watch.next(4)).containsExactly("ADDED a", "MODIFIED a", "MODIFIED a", "DELETED a");
        }
    }

    @Test
    void aWatchOfOneNamespaceHearsNothingOfAnother() {
        String other = "/api/v1/namespaces/" + cluster.newNamespace() + "/secrets";
        try (Watch watch = watch("&resourceVersion=" + listVersion())) {
            api.post(other, secret("elsewhere", ""));
            create("here", "");

            assertThat(watch.next(1)).containsExactly("ADDED here");
        }
    }

    @Test
    void aWatchEndsWhenItsTimeIsUp() {
        try (Watch watch = watch("&timeoutSeconds=1&resourceVersion=" + listVersion())) {
            create("a", "");

            assertThat(watch.next(1)).containsExactly("ADDED a");
            assertThat(watch.next()).isNull();
        }
    }

    @Test
    void bookmarksTellHowFarAQuietWatchHasCome() {
        create("a", "");
        long version = Long.parseLong(listVersion());
        // A real server sends the last bookmark two seconds before the end.
        try (Watch watch = watch("&allowWatchBookmarks=true&timeoutSeconds=3&resourceVersion=" + version)) {
            Event bookmark = next(watch);

            assertThat(bookmark.type()).isEqualTo("BOOKMARK");
            assertThat(bookmark.object().at("/kind").asText()).isEqualTo("Secret");
            assertThat(bookmark.version()).isGreaterThanOrEqualTo(version);
            assertThat(bookmark.name()).isEmpty();
        }
    }

    @Test
    void aVersionThatIsForgottenIsSaidToBeSo() {
        try (Watch watch = watch("&resourceVersion=1")) {
            if (watch.code() == 410) {
                return; // as a list is answered; clients take both
            }
            Event error = next(watch);

            assertThat(error.type()).isEqualTo("ERROR");
            assertThat(error.object().at("/kind").asText()).isEqualTo("Status");
            assertThat(error.object().at("/code").asInt()).isEqualTo(410);
            assertThat(error.object().at("/reason").asText()).isIn("Expired", "Gone");
            assertThat(watch.next()).isNull();
        }
    }

    @Test
    void eventsComeAsRowsOfATable() {
        try (Watch watch = api.watch(secrets + "?watch=true&resourceVersion=" + listVersion(),
                Map.of("Accept", TABLE))) {
            create("a", "");
            create("b", "");

            Event first = next(watch);
            assertThat(first.object().at("/kind").asText()).isEqualTo("Table");
            assertThat(first.object().at("/columnDefinitions/0/name").asText()).isEqualTo("Name");
            assertThat(first.object().at("/rows/0/cells/0").asText()).isEqualTo("a");
            assertThat(next(watch).object().at("/rows/0/cells/0").asText()).isEqualTo("b");
        }
    }

    @Test
    void aCustomResourceIsWatchedWithItsStatus() {
        cluster.assumeWidgets();
        String widgets = Widgets.url(cluster.newNamespace());
        try (Watch watch = api.watch(widgets + "?watch=true&resourceVersion=" + api.get(widgets).version())) {
            api.post(widgets, Widgets.widget("a", "\"size\": 1"));
            api.patch(widgets + "/a/status", Api.MERGE, "{\"status\": {\"phase\": \"x\"}}");

            assertThat(next(watch).type()).isEqualTo("ADDED");
            Event changed = next(watch);
            assertThat(changed.toString()).isEqualTo("MODIFIED a");
            assertThat(changed.object().at("/status/phase").asText()).isEqualTo("x");
        }
    }

    @Test
    void manyWritersAndWatchersSeeOneHistory() throws Exception {
        int writers = 8;
        int rounds = 10;
        int events = writers * rounds * 3;
        String version = listVersion();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<List<String>>> watchers = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                watchers.add(threads.submit(() -> history(version, events)));
            }
            List<Callable<Void>> writing = new ArrayList<>();
            for (int i = 0; i < writers; i++) {
                String name = "writer-" + i;
                writing.add(() -> {
                    for (int round = 0; round < rounds; round++) {
                        create(name, "");
                        patch(name, "{\"metadata\": {\"labels\": {\"round\": \"%d\"}}}".formatted(round));
                        assertThat(api.delete(secrets + "/" + name).code()).isEqualTo(200);
                    }
                    return null;
                });
            }
            for (Future<Void> writer : threads.invokeAll(writing)) {
                writer.get();
            }
            List<String> first = watchers.getFirst().get();

            assertThat(first).hasSize(events).doesNotHaveDuplicates();
            for (Future<List<String>> watcher : watchers) {
                assertThat(watcher.get()).isEqualTo(first);
            }
        }
    }

    /** What a watcher sees, checking that versions grow and that every object lives through its states in order. */
    private List<String> history(String version, int events) {
        List<String> seen = new ArrayList<>();
        Map<String, String> last = new HashMap<>();
        Map<String, String> legal = Map.of("ADDED", "DELETED", "MODIFIED", "ADDED", "DELETED", "MODIFIED");
        long reached = 0;
        try (Watch watch = watch("&resourceVersion=" + version)) {
            for (int i = 0; i < events; i++) {
                Event event = next(watch);
                assertThat(event.version()).isGreaterThan(reached);
                reached = event.version();
                assertThat(last.getOrDefault(event.name(), "DELETED")).isEqualTo(legal.get(event.type()));
                last.put(event.name(), event.type());
                seen.add(event.version() + " " + event);
            }
        }
        return seen;
    }

    private static Event next(Watch watch) {
        Event event = watch.next();
        assertThat(event).as("the watch goes on").isNotNull();
        return java.util.Objects.requireNonNull(event);
    }
}
