package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.EventBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.time.Clock;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes Events about pods from a thread of its own, so that nobody waits for them. What happens again counts up the
 * first event instead of making a new one. Events are hints: when too many wait, or the server is away, they are lost.
 */
final class EventRecorder implements AutoCloseable {
    enum Type {
        NORMAL, WARNING
    }

    private static final Logger LOG = LoggerFactory.getLogger(EventRecorder.class);
    private static final int WAITING = 1_000;
    private static final int REMEMBERED = 1_000;

    private record Note(Pod pod, Type type, String reason, String message, String fieldPath, String time) {
        String key() {
            return String.join("/", pod.getMetadata().getUid(), fieldPath, reason, message);
        }
    }

    private record Written(String name, int count) {}

    private final KubernetesClient client;
    private final String component;
    private final String host;
    private final Clock clock;
    private final BlockingQueue<Note> waiting = new ArrayBlockingQueue<>(WAITING);
    private final Thread writer;
    /** Owned by the writer thread. */
    private final Map<String, Written> written = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Written> eldest) {
            return size() > REMEMBERED;
        }
    };

    EventRecorder(KubernetesClient client, String component, String host, Clock clock) {
        this.client = client;
        this.component = component;
        this.host = host;
        this.clock = clock;
        this.writer = Thread.ofVirtual().name(component + "-events").start(this::writeAll);
    }

    /** @param fieldPath the part of the pod meant, such as {@code spec.containers{engine}}, or empty */
    void record(Pod pod, Type type, String reason, String message, String fieldPath) {
        String now = clock.instant().truncatedTo(ChronoUnit.SECONDS).toString();
        if (!waiting.offer(new Note(pod, type, reason, message, fieldPath, now))) {
            LOG.debug("Event {} of pod {} dropped: {} are waiting", reason, pod.getMetadata().getName(), WAITING);
        }
    }

    private void writeAll() {
        try {
            while (true) {
                write(waiting.take());
            }
        } catch (InterruptedException _) {
            // Closed.
            Thread.currentThread().interrupt();
        }
    }

    private void write(Note note) {
        try {
            Written before = written.get(note.key());
            written.put(note.key(), before == null ? create(note) : countUp(note, before));
        } catch (KubernetesClientException e) {
            LOG.debug("Event {} of pod {} not written: {}", note.reason(), note.pod().getMetadata().getName(),
                    e.getMessage());
        }
    }

    private Written create(Note note) {
        String namespace = note.pod().getMetadata().getNamespace();
        String name = note.pod().getMetadata().getName() + "."
                + Long.toHexString(ThreadLocalRandom.current().nextLong());
        String type = note.type().name().charAt(0) + note.type().name().substring(1).toLowerCase(Locale.ROOT);
        Event event = new EventBuilder().withNewMetadata()
                .withName(name)
                .withNamespace(namespace)
                .endMetadata()
                .withNewInvolvedObject()
                .withApiVersion("v1")
                .withKind("Pod")
                .withNamespace(namespace)
                .withName(note.pod().getMetadata().getName())
                .withUid(note.pod().getMetadata().getUid())
                .withFieldPath(note.fieldPath().isEmpty() ? null : note.fieldPath())
                .endInvolvedObject()
                .withType(type)
                .withReason(note.reason())
                .withMessage(note.message())
                .withFirstTimestamp(note.time())
                .withLastTimestamp(note.time())
                .withCount(1)
                .withNewSource()
                .withComponent(component)
                .withHost(host.isEmpty() ? null : host)
                .endSource()
                .withReportingComponent(component)
                .withReportingInstance(host)
                .build();
        client.v1().events().inNamespace(namespace).resource(event).create();
        return new Written(name, 1);
    }

    private Written countUp(Note note, Written before) {
        Map<String, Object> again = Map.of("count", before.count() + 1, "lastTimestamp", note.time());
        client.v1()
                .events()
                .inNamespace(note.pod().getMetadata().getNamespace())
                .withName(before.name())
                .patch(PatchContext.of(PatchType.JSON_MERGE), Serialization.asJson(again));
        return new Written(before.name(), before.count() + 1);
    }

    /** What still waits is lost. */
    @Override
    public void close() {
        writer.interrupt();
    }
}
