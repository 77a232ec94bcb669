package dev.dormouse.sidecar.agent;

import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Names that tell one life of something from another. They are no secrets, so they do without the JDK's cryptography,
 * whose loading would be the longest part of a start.
 */
final class Ids {
    private Ids() {}

    static String next() {
        var random = ThreadLocalRandom.current();
        return new UUID(random.nextLong(), random.nextLong()).toString();
    }
}
