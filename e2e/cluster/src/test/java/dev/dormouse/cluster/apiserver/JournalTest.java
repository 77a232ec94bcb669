package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Store.Event;
import dev.dormouse.cluster.apiserver.Store.Key;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is there after a restart: everything that was acknowledged, at versions that never go back. */
class JournalTest {
    @TempDir
    private Path folder;

    @Test
    void everythingIsThereAgain() throws IOException {
        long version;
        try (Store store = open()) {
            ApiObject a = create(store, "a");
            create(store, "b");
            store.replace("configmaps", a, data(a, "changed"));
            store.remove("configmaps", get(store, "b"), get(store, "b").copy());
            version = store.version();
        }
        List<Event> told = new ArrayList<>();
        try (Store store = new Store(folder, 1, told::add)) {
            assertThat(store.version()).as("that of a deletion").isEqualTo(version);
            assertThat(store.list("configmaps", "").objects()).hasSize(1);
            assertThat(get(store, "a").json().at("/data/x").asText()).isEqualTo("changed");
            assertThat(told).extracting(event -> event.object().name()).containsExactly("a");
            assertThat(create(store, "c").resourceVersion()).isEqualTo(Long.toString(version + 1));
        }
    }

    @Test
    void aLineThatACrashToreIsCutOffWhereverItWasTorn() throws IOException {
        try (Store store = open()) {
            create(store, "kept");
        }
        Path file = folder.resolve("journal");
        byte[] before = Files.readAllBytes(file);
        try (Store store = open()) {
            create(store, "tör n");
        }
        byte[] whole = Files.readAllBytes(file);
        for (int end = before.length; end < whole.length; end++) {
            Files.write(file, java.util.Arrays.copyOf(whole, end));
            try (Store store = open()) {
                assertThat(store.list("configmaps", "").objects()).as("cut at %d", end).hasSize(1);
                create(store, "after");
            }
            try (Store store = open()) {
                assertThat(get(store, "after").name()).isEqualTo("after");
            }
        }
    }

    @Test
    void damageBeforeTheEndIsSaidAndNothingIsThrownAway() throws IOException {
        try (Store store = open()) {
            create(store, "a");
            create(store, "b");
        }
        Path file = folder.resolve("journal");
        byte[] damaged = Files.readAllBytes(file);
        damaged[30] ^= 1;
        Files.write(file, damaged);

        assertThatThrownBy(this::open).isInstanceOf(IOException.class)
                .hasMessageContaining("journal is damaged in line 1");
        assertThat(Files.readAllBytes(file)).isEqualTo(damaged);
    }

    @Test
    void twoServersCannotShareAFolder() throws IOException {
        try (Store _ = open()) {
            assertThatThrownBy(this::open).isInstanceOf(IOException.class)
                    .hasMessageContaining("another control plane uses the state in " + folder);
        }
    }

    @Test
    void historyIsDroppedAndTheVersionIsKept() throws IOException {
        long version;
        try (Store store = open()) {
            ApiObject a = create(store, "a");
            String large = "x".repeat(1 << 20);
            for (int i = 0; i < 40; i++) {
                a = store.replace("configmaps", a, data(a, large + i)).orElseThrow();
            }
            ApiObject b = create(store, "b");
            store.remove("configmaps", b, b.copy());
            version = store.version();
            assertThat(Files.size(folder.resolve("journal"))).isLessThan(25L << 20);
        }
        try (Store store = open()) {
            assertThat(store.version()).isEqualTo(version);
            assertThat(get(store, "a").json().at("/data/x").asText()).endsWith("x39");
            assertThat(store.list("configmaps", "").objects()).hasSize(1);
        }
    }

    @Test
    void aWriteThatCannotBeKeptIsNotMade() throws IOException {
        try (Store store = open()) {
            create(store, "a");
            store.close(); // as if the disk had gone
            long version = store.version();

            assertThatThrownBy(() -> create(store, "b")).isInstanceOf(ApiException.class)
                    .hasMessageContaining("was not made");
            assertThat(store.version()).isEqualTo(version);
            assertThat(store.get("configmaps", new Key("default", "b"))).isEmpty();
        }
    }

    @Test
    void aServerGoesOnWithItsTokenItsAddressAndItsObjects() {
        int port;
        try (Api first = new Api(folder)) {
            first.controlPlane().apply(Api.crd());
            first.post(Api.MODELS, Api.model("m", ""));
            port = first.controlPlane().apiUrl().getPort();
        }
        try (Api second = new Api(folder, port)) {
            assertThat(second.get(Api.MODELS + "/m").code()).isEqualTo(200);
            assertThat(second.get("/api/v1/namespaces/default").at("/metadata/uid").asText()).isNotEmpty();
        }
    }

    private Store open() throws IOException {
        return new Store(folder, 1, _ -> {
        });
    }

    private static ApiObject create(Store store, String name) {
        ObjectNode json = Json.object().put("kind", "ConfigMap");
        json.putObject("metadata").put("name", name).put("namespace", "default").put("uid", "uid-" + name);
        json.putObject("data").put("note", "ünïcode ".repeat(3).getBytes(StandardCharsets.UTF_8).length + " bytes");
        return store.create("configmaps", new Key("default", name), json).orElseThrow();
    }

    private static ObjectNode data(ApiObject object, String value) {
        ObjectNode next = object.copy();
        next.putObject("data").put("x", value);
        return next;
    }

    private static ApiObject get(Store store, String name) {
        return store.get("configmaps", new Key("default", name)).orElseThrow();
    }
}
