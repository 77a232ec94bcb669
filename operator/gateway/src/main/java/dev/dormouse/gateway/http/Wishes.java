package dev.dormouse.gateway.http;

import io.vertx.core.MultiMap;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a client says of its request in headers (W18).
 *
 * @param patience how long it waits for the beginning of an answer: {@code X-Deadline-Ms}, or {@code Prefer: wait=s}
 *        (RFC 7240)
 * @param priority {@code X-Priority}; at most 0, for nobody may push ahead of others by saying so
 */
record Wishes(Optional<Duration> patience, int priority) {
    static final Wishes NONE = new Wishes(Optional.empty(), 0);
    private static final Pattern WAIT = Pattern.compile("(?i)(?:^|[,;])\\s*wait=(\\d{1,7})\\s*(?:[,;]|$)");
    private static final int LEAST_PRIORITY = -1_000_000;

    /** A header says something that cannot be understood. */
    static final class Unreadable extends Exception {
        private static final long serialVersionUID = 1;

        final String problem;

        Unreadable(String problem) {
            super(problem);
            this.problem = problem;
        }
    }

    static Wishes of(MultiMap headers) throws Unreadable {
        String deadline = headers.get("X-Deadline-Ms");
        String prefer = headers.get("Prefer");
        String priority = headers.get("X-Priority");
        if (deadline == null && prefer == null && priority == null) {
            return NONE;
        }
        Optional<Duration> patience = Optional.empty();
        if (deadline != null) {
            patience = Optional.of(Duration.ofMillis(number("X-Deadline-Ms", deadline, 1, Integer.MAX_VALUE)));
        } else if (prefer != null) {
            Matcher wait = WAIT.matcher(prefer);
            patience = wait.find() ? Optional.of(Duration.ofSeconds(Long.parseLong(wait.group(1)))) : patience;
        }
        int asked = priority == null ? 0 : number("X-Priority", priority, LEAST_PRIORITY, -LEAST_PRIORITY);
        return new Wishes(patience, Math.min(0, asked));
    }

    /** The same, for a caller whose requests are worth so much more. */
    Wishes raisedBy(int points) {
        return points == 0 ? this : new Wishes(patience, priority + points);
    }

    private static int number(String header, String value, int least, int most) throws Unreadable {
        try {
            int number = Integer.parseInt(value.strip());
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Told below, like a number that is out of bounds.
        }
        throw new Unreadable("The header " + header + " must be a whole number from " + least + " to " + most + ".");
    }
}
