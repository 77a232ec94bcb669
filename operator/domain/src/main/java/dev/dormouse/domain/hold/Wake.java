package dev.dormouse.domain.hold;

import java.time.Instant;
import java.util.Comparator;

/**
 * One attempt to wake a model; late news of an older one is no news (L50).
 *
 * @param activatedAt when the operator decided the activation, which grows with each
 * @param attempt the first is 1
 */
public record Wake(Instant activatedAt, int attempt) implements Comparable<Wake> {
    private static final Comparator<Wake> ORDER = Comparator.comparing(Wake::activatedAt)
            .thenComparingInt(Wake::attempt);

    @Override
    public int compareTo(Wake other) {
        return ORDER.compare(this, other);
    }
}
