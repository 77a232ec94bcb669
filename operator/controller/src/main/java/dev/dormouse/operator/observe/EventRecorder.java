package dev.dormouse.operator.observe;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.operator.status.ModelEvent;
import dev.dormouse.operator.status.Timestamps;
import dev.dormouse.operator.log.LogKeys;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.EventBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.nio.charset.StandardCharsets;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Writes Kubernetes Events, each once: the name follows from reason and subject, so that a restarted operator meets 409
 * instead of telling everything again. A failed write is logged and forgotten; no wake waits for an event.
 */
public final class EventRecorder {
    private static final Logger LOG = LoggerFactory.getLogger(EventRecorder.class);
    private static final String COMPONENT = "dormouse-operator";
    private static final int REMEMBERED = 10_000;
    private static final int LONGEST_MESSAGE = 1024;

    private final KubernetesClient client;
    private final Clock clock;
    private final Set<String> told = Collections
            .synchronizedSet(Collections.newSetFromMap(new LinkedHashMap<>() {
                @Override
                protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
                    return size() > REMEMBERED;
                }
            }));

    public EventRecorder(KubernetesClient client, Clock clock) {
        this.client = client;
        this.clock = clock;
    }

    /** @return whether this process tells it for the first time */
    public boolean record(InferenceModel model, ModelEvent event) {
        String identity = model.getMetadata().getUid() + "/" + event.reason() + "/" + event.about();
        String name = model.getMetadata().getName() + "."
                + UUID.nameUUIDFromBytes(identity.getBytes(StandardCharsets.UTF_8))
                        .toString()
                        .replace("-", "")
                        .substring(0, 16);
        if (!told.add(model.getMetadata().getNamespace() + "/" + name)) {
            return false;
        }
        try {
            client.v1()
                    .events()
                    .inNamespace(model.getMetadata().getNamespace())
                    .resource(build(model, event, name))
                    .create();
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                LOG.atWarn()
                        .addKeyValue(LogKeys.MODEL,
                                model.getMetadata().getNamespace() + "/" + model.getMetadata().getName())
                        .addKeyValue(LogKeys.EVENT, event.reason())
                        .addKeyValue(LogKeys.REASON, e.getMessage())
                        .log("an event was not written");
            }
        }
        return true;
    }

    private Event build(InferenceModel model, ModelEvent event, String name) {
        String now = Timestamps.seconds(clock.instant());
        String message = event.message().length() <= LONGEST_MESSAGE
                ? event.message()
                : event.message().substring(0, LONGEST_MESSAGE);
        return new EventBuilder().withNewMetadata()
                .withName(name)
                .withNamespace(model.getMetadata().getNamespace())
                .endMetadata()
                .withNewInvolvedObject()
                .withApiVersion(model.getApiVersion())
                .withKind(model.getKind())
                .withName(model.getMetadata().getName())
                .withNamespace(model.getMetadata().getNamespace())
                .withUid(model.getMetadata().getUid())
                .endInvolvedObject()
                .withType(event.warning() ? "Warning" : "Normal")
                .withReason(event.reason())
                .withMessage(message)
                .withFirstTimestamp(now)
                .withLastTimestamp(now)
                .withCount(1)
                .withNewSource()
                .withComponent(COMPONENT)
                .endSource()
                .withReportingComponent(COMPONENT)
                .build();
    }
}
