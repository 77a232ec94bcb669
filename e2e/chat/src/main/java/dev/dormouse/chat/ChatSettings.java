package dev.dormouse.chat;

import java.time.Duration;

/**
 * @param model the only name it answers to
 * @param loading it is not ready for so long after it started
 * @param tokens per answer, unless a request says {@code max_tokens}
 * @param tokensPerSecond pace of a stream; 0 for as fast as it can
 * @param fault of every answer whose request names no other in {@code X-Fault}
 */
public record ChatSettings(String model, Duration loading, int tokens, int tokensPerSecond, Fault fault) {
    public ChatSettings {
        if (tokens < 1 || tokensPerSecond < 0 || loading.isNegative()) {
            throw new IllegalArgumentException(
                    "%d tokens at %d per second after %s: none may be negative, and at least one token"
                            .formatted(tokens, tokensPerSecond, loading));
        }
    }

    /** Ready at once, a hundred tokens as fast as it can, without faults. */
    public static ChatSettings of(String model) {
        return new ChatSettings(model, Duration.ZERO, 100, 0, Fault.None);
    }
}
