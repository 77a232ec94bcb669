package dev.dormouse.domain.balance;

/**
 * A replica that may be given a request, if it has room.
 *
 * @param load requests it carries
 * @param weight its share under {@link Strategy.Weighted}; at least 1
 */
public record Candidate(String pod, int load, int weight) {}
