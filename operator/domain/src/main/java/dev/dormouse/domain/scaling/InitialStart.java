package dev.dormouse.domain.scaling;

import dev.dormouse.domain.fleet.Replica;
import java.util.List;

/** The one start after creation that proves a model and takes its first snapshot. */
public enum InitialStart {
    /** Not asked for. */
    Never,
    /** Still to be done, or under way. */
    Pending,
    /** A replica has been ready and its snapshot is saved, or known not to be possible. */
    Done,
    /** Given up after {@link #ATTEMPTS} replicas failed; a change of the spec tries again. */
    Failed;

    /** Replicas that may fail before the start counts as failed. */
    public static final int ATTEMPTS = 3;

    /** @param failures replicas that failed in a row */
    public InitialStart next(List<Replica> replicas, int failures) {
        return switch (this) {
            case Never, Done -> this;
            case Pending, Failed -> {
                if (replicas.stream().anyMatch(r -> r.phase() == Replica.Phase.Ready && r.snapshotSettled())) {
                    yield Done;
                }
                yield failures >= ATTEMPTS ? Failed : this;
            }
        };
    }
}
