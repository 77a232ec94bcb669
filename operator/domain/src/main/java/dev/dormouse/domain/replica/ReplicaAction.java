package dev.dormouse.domain.replica;

import dev.dormouse.domain.warmup.WarmupRequest.Urgency;

/** One thing to do to one pod, and why. */
public sealed interface ReplicaAction {
    String pod();

    String why();

    /** To be created as soon as the warmup scheduler admits it. */
    record Create(String pod, Urgency urgency, String why) implements ReplicaAction {}

    /** To be marked draining: gateways send it nothing new. */
    record Drain(String pod, String uid, String why) implements ReplicaAction {}

    /** To be deleted: nothing is in flight at it. */
    record Delete(String pod, String uid, String why) implements ReplicaAction {}
}
