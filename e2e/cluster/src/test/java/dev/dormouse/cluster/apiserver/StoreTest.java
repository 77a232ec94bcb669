package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.dormouse.cluster.apiserver.Store.Event;
import dev.dormouse.cluster.apiserver.Store.Key;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;

class StoreTest {
    private static final Duration AT_ONCE = Duration.ZERO;
    private static final Duration LONG = Duration.ofSeconds(30);

    private final Store store = new Store(1000, event -> {
    });

    @Test
    void onlyTheStateThatWasReadIsReplaced() {
        ApiObject first = store.create("maps", key("a"), object("a")).orElseThrow();
        ApiObject second = store.replace("maps", first, object("a")).orElseThrow();

        assertThat(store.replace("maps", first, object("a"))).isEmpty();
        assertThat(store.remove("maps", first, object("a"))).isEmpty();
        assertThat(store.create("maps", key("a"), object("a"))).isEmpty();
        assertThat(store.remove("maps", second, object("a"))).isPresent();
        assertThat(store.get("maps", key("a"))).isEmpty();
    }

    @Test
    void theLogForgetsAndSaysSo() throws InterruptedException {
        for (int i = 0; i < 5000; i++) {
            store.create("maps", key("m" + i), object("m" + i));
        }

        assertThatThrownBy(() -> store.changesAfter("maps", 1000, AT_ONCE))
                .hasMessageContaining("too old resource version");
        assertThat(store.changesAfter("maps", 5990, AT_ONCE).events()).hasSize(10);
        assertThat(store.changesAfter("others", 1000, AT_ONCE).events()).isEmpty();
        assertThatThrownBy(() -> store.changesAfter("maps", 9_999_999, AT_ONCE)).isInstanceOf(ApiException.class);
    }

    @Test
    void everyWatcherSeesEveryChangeOnceAndInOrder() throws Exception {
        int writes = 2000;
        Callable<List<Long>> watcher = () -> {
            List<Long> seen = new ArrayList<>();
            long cursor = 1000;
            while (seen.size() < writes) {
                Store.Changes changes = store.changesAfter("maps", cursor, LONG);
                changes.events().stream().map(Event::version).forEach(seen::add);
                cursor = changes.version();
            }
            return seen;
        };
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<List<Long>>> watchers = List.of(threads.submit(watcher), threads.submit(watcher));
            List<Callable<Void>> writers = new ArrayList<>();
            for (int w = 0; w < 4; w++) {
                int writer = w;
                writers.add(() -> {
                    for (int i = 0; i < writes / 8; i++) {
                        String name = writer + "-" + i;
                        store.create("maps", key(name), object(name));
                        store.create("noise", key(name), object(name));
                        store.replace("maps", store.get("maps", key(name)).orElseThrow(), object(name));
                    }
                    return null;
                });
            }
            for (Future<Void> writer : threads.invokeAll(writers)) {
                writer.get();
            }
            for (Future<List<Long>> seen : watchers) {
                assertThat(seen.get()).hasSize(writes).isSorted().doesNotHaveDuplicates();
            }
        }
    }

    @Test
    void aListOfANamespaceHoldsNothingOfItsNeighbours() {
        for (String namespace : List.of("a", "ab", "b")) {
            store.create("maps", new Key(namespace, "x"), object("x"));
        }

        assertThat(store.list("maps", "a").objects()).hasSize(1);
        assertThat(store.list("maps", "").objects()).hasSize(3);
    }

    private static Key key(String name) {
        return new Key("", name);
    }

    private static ObjectNode object(String name) {
        ObjectNode json = Json.object();
        json.putObject("metadata").put("name", name).put("uid", name);
        return json;
    }
}
