package dev.dormouse.sidecar.http;

import dev.dormouse.sidecar.api.SidecarStatus;
import java.time.Duration;

/** Where the HTTP side reads the replica's status. Implementations are thread-safe. */
public interface StatusFeed {
    SidecarStatus current();

    /** Waits until there is a status newer than {@code seen}, or the time is up; answers the present one either way. */
    SidecarStatus awaitChange(long seen, Duration atMost) throws InterruptedException;
}
