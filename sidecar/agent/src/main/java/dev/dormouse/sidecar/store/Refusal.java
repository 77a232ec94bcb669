package dev.dormouse.sidecar.store;

/**
 * A snapshot that is there and must not be used.
 *
 * @param reason one CamelCase word, mostly the name of a {@link dev.dormouse.sidecar.format.Fault}
 */
public record Refusal(String id, String reason, String message) {}
