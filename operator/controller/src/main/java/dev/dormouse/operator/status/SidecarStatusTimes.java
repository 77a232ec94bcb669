package dev.dormouse.operator.status;

import dev.dormouse.sidecar.api.SidecarStatus;

/** Durations within one sidecar's own clock. */
final class SidecarStatusTimes {
    private SidecarStatusTimes() {}

    /** From the start of the sidecar to Ready (H9, H22, H32). */
    static long totalMicros(SidecarStatus report) {
        return report.readyAtEpochMicros() - report.startedAtEpochMicros();
    }
}
