package dev.dormouse.domain.hold;

/** @param concurrency requests per ready replica, waiting ones included; at least 1 */
public record ModelLimits(int concurrency) {
    public ModelLimits {
        if (concurrency < 1) {
            throw new IllegalArgumentException("a limit of " + concurrency + " requests; at least 1 (L6)");
        }
    }
}
