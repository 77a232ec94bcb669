package dev.dormouse.domain.traffic;

import java.util.Optional;

/**
 * The part of a model's requests that another model answers: a new revision on trial, or the other side of a comparison.
 *
 * @param percent of requests, 0 to 100
 * @param header requests that carry it go there, whatever the percentage
 */
public record CanarySplit(int percent, Optional<HeaderRule> header) {

    /** @param value absent for any */
    public record HeaderRule(String name, Optional<String> value) {

        boolean matches(Optional<String> present) {
            return present.isPresent() && (value.isEmpty() || value.equals(present));
        }
    }

    public CanarySplit {
        if (percent < 0 || percent > 100) {
            throw new IllegalArgumentException(percent + " % of requests; 0 to 100");
        }
    }

    /**
     * @param present what the request carries in the rule's header
     * @param identity of whoever asks: equal ones always get the same answer, and raising the percentage moves nobody back
     * @param turn of a request without identity; consecutive numbers are spread evenly
     */
    public boolean takes(Optional<String> present, Optional<String> identity, long turn) {
        if (header.isPresent() && header.get().matches(present)) {
            return true;
        }
        long point = identity.map(CanarySplit::hash).orElse(turn * 0x9e3779b97f4a7c15L);
        return Long.remainderUnsigned(point >>> 11, 100) < percent;
    }

    /** FNV-1a, with its upper bits mixed in. */
    private static long hash(String identity) {
        long hash = 0xcbf29ce484222325L;
        for (int i = 0; i < identity.length(); i++) {
            hash = (hash ^ identity.charAt(i)) * 0x100000001b3L;
        }
        return (hash ^ (hash >>> 32)) * 0x9e3779b97f4a7c15L;
    }
}
