package dev.dormouse.gateway.route;

import dev.dormouse.domain.balance.OutlierEjection;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What this gateway knows of replicas beyond the cluster's word: what their sidecars say, and how they answered. Not
 * safe for threads: the gateway's event loop owns it.
 */
public final class ReplicaHealth {
    private static final Logger LOG = LoggerFactory.getLogger(ReplicaHealth.class);
    /** A replica that refused a connection is offered nothing for so long. */
    private static final Duration SUSPICION = Duration.ofSeconds(1);
    private static final Duration EJECTION = Duration.ofSeconds(30);

    private static final class Knowledge {
        /** Its sidecar said Ready before the cluster did. */
        private boolean warm;
        private Instant suspectUntil = Instant.MIN;
        /** It was left out as an outlier, and nobody has been told yet that this is over. */
        private boolean ejected;
        private Optional<SidecarStatus> said = Optional.empty();
    }

    private final Map<String, Knowledge> pods = new HashMap<>();
    private final Map<ModelKey, OutlierEjection> ejections = new HashMap<>();

    public void seen(PodRoute pod) {
        Knowledge knowledge = pods.computeIfAbsent(pod.uid(), uid -> new Knowledge());
        if (pod.ready()) {
            // From here on the cluster knows better: an engine that dies later is not warm any more.
            knowledge.warm = false;
        }
    }

    public void gone(String uid) {
        pods.remove(uid);
        ejections.values().forEach(ejection -> ejection.forget(uid));
    }

    /** Its sidecar reported; answers whether the pod has become warm by that. */
    public boolean said(String uid, SidecarStatus status) {
        Knowledge knowledge = pods.get(uid);
        if (knowledge == null) {
            return false;
        }
        knowledge.said = Optional.of(status);
        boolean becameWarm = status.phase() == ReplicaPhase.Ready && !knowledge.warm;
        knowledge.warm |= becameWarm;
        return becameWarm;
    }

    /** It refused a connection. */
    public void unreachable(String uid, Instant now) {
        Knowledge knowledge = pods.get(uid);
        if (knowledge != null) {
            knowledge.warm = false;
            knowledge.suspectUntil = now.plus(SUSPICION);
        }
    }

    /** How it answered a request; answers whether that changes whether it may be given more. */
    public boolean answered(PodRoute pod, boolean well, int ejectAfterFailures, Instant now) {
        OutlierEjection ejection = ejections.computeIfAbsent(pod.model(),
                first -> new OutlierEjection(ejectAfterFailures, EJECTION));
        if (well) {
            ejection.succeeded(pod.uid());
            return false;
        }
        boolean ejected = ejection.failed(pod.uid(), now);
        if (ejected) {
            LOG.warn("pod {} of {} failed {} times in a row: it is given nothing for a while", pod.uid(), pod.model(),
                    ejectAfterFailures);
            Knowledge knowledge = pods.get(pod.uid());
            if (knowledge != null) {
                knowledge.ejected = true;
            }
        }
        return ejected;
    }

    /** Those of a model's routable pods that do not fail again and again. */
    public List<PodRoute> admitted(ModelKey model, List<PodRoute> routable, Instant now) {
        OutlierEjection ejection = ejections.get(model);
        if (ejection == null) {
            return routable;
        }
        List<String> admitted = ejection.admitted(routable.stream().map(PodRoute::uid).toList(), now);
        return routable.stream().filter(pod -> admitted.contains(pod.uid())).toList();
    }

    /** A model is gone, or its rule has changed. */
    public void forget(ModelKey model) {
        ejections.remove(model);
    }

    /** UIDs of the pods that are suspected no longer. */
    public List<String> forgive(Instant now) {
        List<String> forgiven = new ArrayList<>();
        pods.forEach((uid, knowledge) -> {
            if (!knowledge.suspectUntil.equals(Instant.MIN) && !now.isBefore(knowledge.suspectUntil)) {
                knowledge.suspectUntil = Instant.MIN;
                forgiven.add(uid);
            }
            if (knowledge.ejected && ejections.values().stream().noneMatch(each -> each.isEjected(uid, now))) {
                knowledge.ejected = false;
                forgiven.add(uid);
            }
        });
        return forgiven;
    }

    /** Whether it may be given requests. */
    public boolean routable(PodRoute pod) {
        Knowledge knowledge = pods.get(pod.uid());
        return pod.open() && knowledge != null && (pod.ready() || knowledge.warm)
                && knowledge.suspectUntil.equals(Instant.MIN);
    }

    /** Whether it may be given requests soon. */
    public boolean starting(PodRoute pod) {
        Knowledge knowledge = pods.get(pod.uid());
        return pod.open() && !pod.ready() && knowledge != null && !knowledge.warm;
    }

    /** The last thing its sidecar said. */
    public Optional<SidecarStatus> said(String uid) {
        return Optional.ofNullable(pods.get(uid)).flatMap(knowledge -> knowledge.said);
    }
}
