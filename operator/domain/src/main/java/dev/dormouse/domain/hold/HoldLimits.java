package dev.dormouse.domain.hold;

/**
 * @param perModel most requests one model may have waiting
 * @param inAll most requests that may wait
 * @param gateways gateways that share each model's limit; at least 1
 */
public record HoldLimits(int perModel, int inAll, int gateways) {
    public HoldLimits {
        if (perModel < 1 || inAll < 1 || gateways < 1) {
            throw new IllegalArgumentException("limits must be positive: " + perModel + ", " + inAll + ", " + gateways);
        }
    }
}
