package dev.dormouse.operator.observe;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Whether the process is worth keeping: a watch that does not run is started again by its client, and one that stays dead
 * for so long never will be. Then only a restart helps, and {@code /livez} asks for it.
 */
public final class Liveness implements BooleanSupplier {
    private final BooleanSupplier watchesRun;
    private final Duration patience;
    private final Clock clock;
    private @Nullable Instant deadSince;

    /** @param watchesRun whether every informer runs; true before they are started */
    public Liveness(BooleanSupplier watchesRun, Duration patience, Clock clock) {
        this.watchesRun = watchesRun;
        this.patience = patience;
        this.clock = clock;
    }

    @Override
    public synchronized boolean getAsBoolean() {
        if (watchesRun.getAsBoolean()) {
            deadSince = null;
            return true;
        }
        Instant now = clock.instant();
        deadSince = deadSince == null ? now : deadSince;
        return deadSince.plus(patience).isAfter(now);
    }
}
