package dev.dormouse.gateway.route;

import dev.dormouse.sidecar.api.ReplicaPhase;
import dev.dormouse.sidecar.api.SidecarStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What this gateway knows of replicas beyond the cluster's word: what their sidecars say, and how they answered. Not
 * safe for threads: the gateway's event loop owns it.
 */
public final class ReplicaHealth {
    /** A replica that refused a connection is offered nothing for so long. */
    private static final Duration SUSPICION = Duration.ofSeconds(1);

    private static final class Knowledge {
        /** Its sidecar said Ready before the cluster did. */
        private boolean warm;
        private Instant suspectUntil = Instant.MIN;
        private Optional<SidecarStatus> said = Optional.empty();
    }

    private final Map<String, Knowledge> pods = new HashMap<>();

    public void seen(PodRoute pod) {
        Knowledge knowledge = pods.computeIfAbsent(pod.uid(), uid -> new Knowledge());
        if (pod.ready()) {
            // From here on the cluster knows better: an engine that dies later is not warm any more.
            knowledge.warm = false;
        }
    }

    public void gone(String uid) {
        pods.remove(uid);
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

    /** UIDs of the pods that are suspected no longer. */
    public List<String> forgive(Instant now) {
        List<String> forgiven = new ArrayList<>();
        pods.forEach((uid, knowledge) -> {
            if (!knowledge.suspectUntil.equals(Instant.MIN) && !now.isBefore(knowledge.suspectUntil)) {
                knowledge.suspectUntil = Instant.MIN;
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
