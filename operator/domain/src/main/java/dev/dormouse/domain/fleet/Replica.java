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
 * @param restored whether it comes up from a snapshot: another one like it is had again in no time
 */
public record Replica(String pod, String uid, String template, Phase phase, boolean draining, Instant createdAt,
        @Nullable Instant readyAt, boolean snapshotSettled, @Nullable Problem problem, boolean restored) {

    /** One that comes up from its source, or of which that is not known. */
    public Replica(String pod, String uid, String template, Phase phase, boolean draining, Instant createdAt,
            @Nullable Instant readyAt, boolean snapshotSettled, @Nullable Problem problem) {
        this(pod, uid, template, phase, draining, createdAt, readyAt, snapshotSettled, problem, false);
    }

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
     * @param blame whose fault it is
     */
    public record Problem(String reason, String message, Blame blame) {

        public enum Blame {
            /** The replica's, as far as is known: another attempt may end the same way, so it follows after a pause. */
            Replica,
            /** The cluster's, as when a node vanishes: another attempt follows at once and counts as the first. */
            Cluster
        }

        public Problem(String reason, String message) {
            this(reason, message, Blame.Replica);
        }
    }

    /**
     * Whether it uses up a warmup slot. One that makes no progress (a bad image, a crash loop, a volume that does not
     * come) must not block others.
     */
    public boolean holdsWarmupSlot() {
        return (phase == Phase.Warming || phase == Phase.Pending) && problem == null;
    }

    /** The same replica, known to have failed for this reason. */
    public Replica failed(@Nullable Problem reason) {
        return new Replica(pod, uid, template, Phase.Failed, draining, createdAt, null, false, reason, restored);
    }

    /** Whether a gateway may have sent it a request, or may be about to. */
    public boolean mayCarryRequests() {
        return phase == Phase.Ready || phase == Phase.Warming;
    }
}
