package dev.dormouse.cluster.kubelet;

import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;

/**
 * Which images a node has. Nothing is really pulled, so an image is there at once, unless the node is told to be slow or to
 * fail ({@link Faults#IMAGE_PULL}).
 */
final class ImagePulls {
    private static final String FAIL = "fail";

    private final Clock clock;
    private final Map<String, Instant> begun = new HashMap<>();
    private String fault = "";

    ImagePulls(Clock clock) {
        this.clock = clock;
    }

    /** @param value {@code fail}, a delay such as {@code 30s}, or empty for none */
    synchronized void fault(String value) {
        if (!value.equals(fault)) {
            begun.clear();
        }
        fault = value;
    }

    /** @throws NotRunnable when the image is not there, or not yet */
    synchronized void require(String image) throws NotRunnable {
        if (fault.isEmpty()) {
            return;
        }
        if (fault.equals(FAIL)) {
            throw new NotRunnable("ErrImagePull", "failed to pull image \"" + image + "\": made to fail by the node's"
                    + " annotation " + Faults.IMAGE_PULL);
        }
        Instant done = begun.computeIfAbsent(image, _ -> clock.instant()).plus(Faults.duration(fault));
        if (clock.instant().isBefore(done)) {
            throw NotRunnable.notYet("Pulling", "Pulling image \"" + image + "\", made slow by the node's annotation "
                    + Faults.IMAGE_PULL + ": " + Duration.between(clock.instant(), done).toSeconds() + " s left", done);
        }
    }
}
