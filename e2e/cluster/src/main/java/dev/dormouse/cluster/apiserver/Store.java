package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * All objects, in memory, and for each resource a log of its last changes; every change is in the journal first.
 *
 * <p>INVARIANT: every change happens under {@code lock} and gets the next resource version; the objects, the logs and the
 * owner index always describe the same version. Writers compute outside the lock and commit with the version they read.
 */
final class Store implements AutoCloseable {
    private static final int LOG_LENGTH = 4096;

    private final ReentrantLock lock = new ReentrantLock();
    private final Map<String, Collection> collections = new HashMap<>();
    private final Map<String, Ref> byUid = new HashMap<>();
    private final Map<String, Set<Ref>> dependentsByOwner = new HashMap<>();
    private final Consumer<Event> listener;
    private final @Nullable Journal journal;
    private long version;

    /** Identifies an object within its resource; the namespace of cluster-scoped objects is empty. */
    record Key(String namespace, String name) implements Comparable<Key> {
        private static final Comparator<Key> ORDER = Comparator.comparing(Key::namespace).thenComparing(Key::name);

        @Override
        public int compareTo(Key other) {
            return ORDER.compare(this, other);
        }
    }

    record Ref(String resource, Key key) {}

    enum Change {
        ADDED, MODIFIED, DELETED
    }

    /** @param previous the object before a MODIFIED or DELETED change */
    record Event(Change change, String resource, ApiObject object, @Nullable ApiObject previous, long version) {}

    /** The objects of a resource at one version. */
    record Snapshot(List<ApiObject> objects, long version) {}

    /** The changes after a version, and the version up to which they are complete. */
    record Changes(List<Event> events, long version) {}

    private final class Collection {
        final NavigableMap<Key, ApiObject> objects = new TreeMap<>();
        final ArrayDeque<Event> log = new ArrayDeque<>();
        final Condition changed = lock.newCondition();
        /** Changes up to and including this version are no longer in the log. */
        long floor = firstVersion;
    }

    private final long firstVersion;

    /**
     * A store that forgets everything when the process ends.
     *
     * @param firstVersion above every version an earlier server handed out, so that clients of that one are told to list
     *     again instead of waiting for versions that come back
     * @param listener called under the lock, in order, with every change: it must only take note
     */
    Store(long firstVersion, Consumer<Event> listener) {
        this.firstVersion = firstVersion;
        this.version = firstVersion;
        this.listener = listener;
        this.journal = null;
    }

    /**
     * A store that goes on where the one before it ended, in the same folder; watchers of that one list again.
     *
     * @param firstVersion of a folder that holds nothing yet
     * @param listener is told of the objects that are there, too
     * @throws IOException when another store uses the folder, or its journal is damaged
     */
    Store(Path folder, long firstVersion, Consumer<Event> listener) throws IOException {
        this.listener = listener;
        Map<Ref, ApiObject> living = new LinkedHashMap<>();
        long[] newest = {0};
        journal = Journal.open(folder, entry -> {
            newest[0] = Math.max(newest[0], entry.version());
            Ref ref = new Ref(entry.resource(), entry.object().key());
            living.remove(ref); // an object's place is that of its last change
            if (entry.change() != Change.DELETED) {
                living.put(ref, entry.object());
            }
        });
        version = newest[0] == 0 ? firstVersion : newest[0];
        this.firstVersion = version;
        living.forEach((ref, object) -> {
            collection(ref.resource()).objects.put(ref.key(), object);
            index(ref, null, object);
            listener.accept(new Event(Change.ADDED, ref.resource(), object, null, version));
        });
    }

    @Override
    public void close() {
        lock.lock();
        try {
            if (journal != null) {
                journal.close();
            }
        } finally {
            lock.unlock();
        }
    }

    Optional<ApiObject> get(String resource, Key key) {
        lock.lock();
        try {
            return Optional.ofNullable(collection(resource).objects.get(key));
        } finally {
            lock.unlock();
        }
    }

    /** @param namespace empty for all namespaces */
    Snapshot list(String resource, String namespace) {
        lock.lock();
        try {
            NavigableMap<Key, ApiObject> objects = collection(resource).objects;
            if (!namespace.isEmpty()) {
                objects = objects.subMap(new Key(namespace, ""), true, new Key(namespace, "\uffff"), false);
            }
            return new Snapshot(List.copyOf(objects.values()), version);
        } finally {
            lock.unlock();
        }
    }

    /**
     * The objects as they were at a version that the log still reaches.
     *
     * @throws ApiException 410 when it does not, 504 when the version is still to come
     */
    Snapshot list(String resource, String namespace, long at) {
        lock.lock();
        try {
            Collection collection = collection(resource);
            if (at > version) {
                throw ApiException.resourceVersionTooLarge(at, version);
            }
            if (at < collection.floor) {
                throw ApiException.expired("The provided continue parameter is too old to display a consistent list"
                        + " result: version " + at + ", " + collection.floor + " is the oldest that is known");
            }
            NavigableMap<Key, ApiObject> objects = new TreeMap<>(collection.objects);
            for (var newest = collection.log.descendingIterator(); newest.hasNext();) {
                Event event = newest.next();
                if (event.version() <= at) {
                    break;
                }
                if (event.previous() == null) {
                    objects.remove(event.object().key());
                } else {
                    objects.put(event.object().key(), event.previous());
                }
            }
            return new Snapshot(objects.values()
                    .stream()
                    .filter(object -> namespace.isEmpty() || object.namespace().equals(namespace))
                    .toList(), at);
        } finally {
            lock.unlock();
        }
    }

    /** @return empty when the key is taken */
    Optional<ApiObject> create(String resource, Key key, ObjectNode json) {
        lock.lock();
        try {
            if (collection(resource).objects.containsKey(key)) {
                return Optional.empty();
            }
            return Optional.of(commit(Change.ADDED, resource, key, json, null));
        } finally {
            lock.unlock();
        }
    }

    /** @return empty when {@code read} is no longer the stored object: read again and decide again */
    Optional<ApiObject> replace(String resource, ApiObject read, ObjectNode json) {
        return commitIfUnchanged(Change.MODIFIED, resource, read, json);
    }

    /** @return the last state, with the version of its deletion; empty when {@code read} is no longer the stored object */
    Optional<ApiObject> remove(String resource, ApiObject read, ObjectNode lastState) {
        return commitIfUnchanged(Change.DELETED, resource, read, lastState);
    }

    private Optional<ApiObject> commitIfUnchanged(Change change, String resource, ApiObject read, ObjectNode json) {
        lock.lock();
        try {
            ApiObject current = collection(resource).objects.get(read.key());
            if (current == null || !current.resourceVersion().equals(read.resourceVersion())) {
                return Optional.empty();
            }
            return Optional.of(commit(change, resource, read.key(), json, current));
        } finally {
            lock.unlock();
        }
    }

    private ApiObject commit(Change change, String resource, Key key, ObjectNode json, @Nullable ApiObject previous) {
        ApiObject.metadataOf(json).put("resourceVersion", Long.toString(version + 1));
        ApiObject object = new ApiObject(json);
        if (journal != null) {
            journal.append(new Journal.Entry(change, resource, object, version + 1));
        }
        version++;
        Collection collection = collection(resource);
        index(new Ref(resource, key), previous, change == Change.DELETED ? null : object);
        if (change == Change.DELETED) {
            collection.objects.remove(key);
        } else {
            collection.objects.put(key, object);
        }
        Event event = new Event(change, resource, object, previous, version);
        collection.log.addLast(event);
        if (collection.log.size() > LOG_LENGTH) {
            collection.floor = collection.log.removeFirst().version();
        }
        collection.changed.signalAll();
        listener.accept(event);
        if (journal != null && journal.isDue()) {
            journal.compact(living());
        }
        return object;
    }

    private List<Journal.Entry> living() {
        List<Journal.Entry> entries = new ArrayList<>();
        collections.forEach((resource, collection) -> collection.objects.values()
                .forEach(object -> entries
                        .add(new Journal.Entry(Change.ADDED, resource, object,
                                Long.parseLong(object.resourceVersion())))));
        entries.sort(Comparator.comparingLong(Journal.Entry::version));
        // The newest version may be that of a deletion.
        entries.add(new Journal.Entry(Change.DELETED, "", new ApiObject(Json.object()), version));
        return entries;
    }

    private void index(Ref ref, @Nullable ApiObject before, @Nullable ApiObject after) {
        if (before != null) {
            for (JsonNode owner : before.metadata().path("ownerReferences")) {
                dependentsByOwner.computeIfPresent(owner.path("uid").asText(), (_, dependents) -> {
                    dependents.remove(ref);
                    return dependents.isEmpty() ? null : dependents;
                });
            }
            byUid.remove(before.uid());
        }
        if (after != null) {
            for (JsonNode owner : after.metadata().path("ownerReferences")) {
                dependentsByOwner.computeIfAbsent(owner.path("uid").asText(), _ -> new LinkedHashSet<>()).add(ref);
            }
            byUid.put(after.uid(), ref);
        }
    }

    Optional<Ref> find(String uid) {
        lock.lock();
        try {
            return Optional.ofNullable(byUid.get(uid));
        } finally {
            lock.unlock();
        }
    }

    List<Ref> dependentsOf(String uid) {
        lock.lock();
        try {
            return List.copyOf(dependentsByOwner.getOrDefault(uid, Set.of()));
        } finally {
            lock.unlock();
        }
    }

    long version() {
        lock.lock();
        try {
            return version;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Waits for changes of a resource after a version.
     *
     * @return no events when none came within {@code wait}
     * @throws ApiException 410 when the log no longer, or does not yet, reach that version
     */
    Changes changesAfter(String resource, long after, Duration wait) throws InterruptedException {
        lock.lockInterruptibly();
        try {
            Collection collection = collection(resource);
            if (after < collection.floor || after > version) {
                throw ApiException.expired("too old resource version: " + after + " (" + collection.floor + ")");
            }
            long nanos = wait.toNanos();
            while (collection.log.isEmpty() || collection.log.getLast().version() <= after) {
                if (nanos <= 0) {
                    return new Changes(List.of(), version);
                }
                nanos = collection.changed.awaitNanos(nanos);
            }
            List<Event> events = new ArrayList<>();
            for (var newest = collection.log.descendingIterator(); newest.hasNext();) {
                Event event = newest.next();
                if (event.version() <= after) {
                    break;
                }
                events.add(event);
            }
            if (after < collection.floor) {
                throw ApiException.expired("too old resource version: " + after + " (" + collection.floor + ")");
            }
            return new Changes(events.reversed(), version);
        } finally {
            lock.unlock();
        }
    }

    private Collection collection(String resource) {
        return collections.computeIfAbsent(resource, _ -> new Collection());
    }
}
