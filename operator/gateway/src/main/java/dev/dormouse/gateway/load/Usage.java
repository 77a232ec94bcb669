package dev.dormouse.gateway.load;

/** @param cached of {@code input}, what the engine did not compute anew */
public record Usage(long input, long output, long cached) {}
