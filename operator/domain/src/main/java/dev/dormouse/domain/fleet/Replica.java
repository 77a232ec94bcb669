package dev.dormouse.domain.fleet;

import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * A live pod of a model, reduced to what decisions need.
 *
 * @param template hash of the pod template it was made from
 * @param draining whether gateways have been told to send it nothing new
 * @param readyAt when it became ready; absent before
 * @param snapshotSettled whether its sidecar will neither save nor restore anything more
 * @param problem why it is failed, or why it makes no progress at present
 */
public record Replica(String pod, String uid, String template, Phase phase, boolean draining, Instant createdAt,
        @Nullable Instant readyAt, boolean snapshotSettled, @Nullable Problem problem) {

    public enum Phase {
        /** Scheduled, pulled or mounted by the cluster; nothing of ours runs. */
        Pending,
        /** Its sidecar runs and the engine is on its way. */
        Warming,
        /** It may take requests. */
        Ready,
        /** It will never take requests. */
        Failed,
        /** Deleted; its processes are ending. */
        Terminating
    }

    /**
     * @param reason one CamelCase word
     * @param message the same for a person
     */
    public record Problem(String reason, String message) {}

    /** Whether it uses up a warmup slot. One that the cluster cannot start, e.g. for a bad image, must not block others. */
    public boolean holdsWarmupSlot() {
        return phase == Phase.Warming || (phase == Phase.Pending && problem == null);
    }

    /** Whether a gateway may have sent it a request, or may be about to. */
    public boolean mayCarryRequests() {
        return phase == Phase.Ready || phase == Phase.Warming;
    }
}
