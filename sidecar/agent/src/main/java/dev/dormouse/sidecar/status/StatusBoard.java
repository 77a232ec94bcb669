package dev.dormouse.sidecar.status;

import dev.dormouse.sidecar.api.SidecarStatus;
import java.time.Duration;
import java.util.function.UnaryOperator;

/** The sidecar's present status. Any thread posts; readers wait for the next one and may miss those in between. */
public final class StatusBoard {
    private SidecarStatus status;

    public StatusBoard(SidecarStatus first) {
        status = first;
    }

    public synchronized SidecarStatus present() {
        return status;
    }

    public synchronized void post(UnaryOperator<SidecarStatus> change) {
        SidecarStatus next = change.apply(status);
        if (!next.equals(status)) {
            status = Statuses.sequenced(next, status.sequence() + 1);
            notifyAll();
        }
    }

    /** Returns the status once it is newer than {@code seen}, or the present one when {@code timeout} is over. */
    public synchronized SidecarStatus after(long seen, Duration timeout) throws InterruptedException {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (status.sequence() <= seen) {
            long left = (deadline - System.nanoTime()) / 1_000_000;
            if (left <= 0) {
                break;
            }
            wait(left);
        }
        return status;
    }
}
