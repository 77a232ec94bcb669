package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a watcher sees, and when it is told to list again. */
class WatchTest {
    private Api api;

    @BeforeEach
    void start(@TempDir Path folder) {
        api = new Api(folder);
    }

    @AfterEach
    void stop() {
        api.close();
    }

    @Test
    void beginsWithWhatIsThereAndGoesOnWithWhatChanges() throws IOException {
        api.post(Api.CONFIG_MAPS, Api.configMap("a", ""));
        try (BufferedReader watch = api.watch(Api.CONFIG_MAPS + "?watch=true&" + Api.OURS)) {
            assertThat(seen(watch)).isEqualTo("ADDED a");
            api.post(Api.CONFIG_MAPS, Api.configMap("b", ""));
            assertThat(seen(watch)).isEqualTo("ADDED b");
            api.patch(Api.CONFIG_MAPS + "/a", Api.MERGE, "{\"data\": {\"x\": \"1\"}}");
            assertThat(seen(watch)).isEqualTo("MODIFIED a");
            api.delete(Api.CONFIG_MAPS + "/b");
            assertThat(seen(watch)).isEqualTo("DELETED b");
        }
    }

    @Test
    void replaysExactlyWhatCameAfterAVersion() throws IOException {
        api.post(Api.CONFIG_MAPS, Api.configMap("before", ""));
        String version = api.get(Api.CONFIG_MAPS).version();
        api.post(Api.CONFIG_MAPS, Api.configMap("after", ""));
        api.delete(Api.CONFIG_MAPS + "/before");

        try (BufferedReader watch = api.watch(Api.CONFIG_MAPS + "?watch=true&resourceVersion=" + version)) {
            assertThat(seen(watch)).isEqualTo("ADDED after");
            JsonNode deleted = Api.next(watch);
            assertThat(deleted.at("/object/metadata/name").asText()).isEqualTo("before");
            assertThat(deleted.at("/object/metadata/resourceVersion").asLong()).isGreaterThan(Long.parseLong(version));
        }
    }

    @Test
    void anObjectThatStopsMatchingIsDeletedForTheWatcher() throws IOException {
        String select = Api.CONFIG_MAPS + "?watch=true&labelSelector=on";
        try (BufferedReader watch = api.watch(select)) {
            api.post(Api.CONFIG_MAPS, Api.configMap("a", ""));
            api.patch(Api.CONFIG_MAPS + "/a", Api.MERGE, "{\"metadata\": {\"labels\": {\"on\": \"1\"}}}");
            assertThat(seen(watch)).isEqualTo("ADDED a");
            api.patch(Api.CONFIG_MAPS + "/a", Api.MERGE, "{\"metadata\": {\"labels\": {\"on\": null}}}");
            assertThat(seen(watch)).isEqualTo("DELETED a");
        }
    }

    @Test
    void otherNamespacesAreNotSeen() throws IOException {
        try (BufferedReader watch = api.watch(Api.CONFIG_MAPS + "?watch=true&" + Api.OURS)) {
            api.post("/api/v1/namespaces/kube-system/configmaps", Api.configMap("elsewhere", ""));
            api.post(Api.CONFIG_MAPS, Api.configMap("here", ""));
            assertThat(seen(watch)).isEqualTo("ADDED here");
        }
    }

    @Test
    void anIdleWatcherIsToldHowFarItHasCome() throws IOException {
        String version = api.get(Api.CONFIG_MAPS).version();
        api.post(Api.PODS, Api.pod("other-resource", ""));
        String path = Api.CONFIG_MAPS + "?watch=true&allowWatchBookmarks=true&timeoutSeconds=1&resourceVersion="
                + version;
        try (BufferedReader watch = api.watch(path)) {
            JsonNode bookmark = Api.next(watch);
            assertThat(bookmark.at("/type").asText()).isEqualTo("BOOKMARK");
            assertThat(bookmark.at("/object/kind").asText()).isEqualTo("ConfigMap");
            assertThat(bookmark.at("/object/metadata/resourceVersion").asLong()).isGreaterThan(Long.parseLong(version));
            assertThat(Api.next(watch).isMissingNode()).as("it ends at its timeout").isTrue();
        }
    }

    @Test
    void versionsFromAnotherLifeOfTheServerAreGone() throws IOException {
        try (BufferedReader watch = api.watch(Api.CONFIG_MAPS + "?watch=true&resourceVersion=5")) {
            JsonNode error = Api.next(watch);
            assertThat(error.at("/type").asText()).isEqualTo("ERROR");
            assertThat(error.at("/object/code").asInt()).isEqualTo(410);
            assertThat(error.at("/object/reason").asText()).isEqualTo("Expired");
        }
    }

    @Test
    void aServerStartedLaterHandsOutLaterVersions(@TempDir Path other) {
        long version = Long.parseLong(api.get(Api.CONFIG_MAPS).version());
        try (Api later = new Api(other)) {
            assertThat(Long.parseLong(later.get(Api.CONFIG_MAPS).version())).isGreaterThan(version);
        }
    }

    @Test
    void tablesAreWatchedToo() throws IOException {
        String accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        try (BufferedReader watch = api.stream(Api.PODS + "?watch=true", accept)) {
            api.post(Api.PODS, Api.pod("p", ""));
            JsonNode event = Api.next(watch);
            assertThat(event.at("/object/kind").asText()).isEqualTo("Table");
            assertThat(event.at("/object/rows/0/cells/0").asText()).isEqualTo("p");
            assertThat(event.at("/object/rows/0/cells/2").asText()).isEqualTo("Pending");
        }
    }

    @Test
    void listsThatStreamAreRefusedSoThatClientsListInstead() {
        assertThat(api.get(Api.PODS + "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan").code())
                .isEqualTo(422);
    }

    private static String seen(BufferedReader watch) throws IOException {
        JsonNode event = Api.next(watch);
        return event.at("/type").asText() + " " + event.at("/object/metadata/name").asText();
    }
}
