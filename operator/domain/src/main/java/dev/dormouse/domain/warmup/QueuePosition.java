package dev.dormouse.domain.warmup;

/**
 * Where a replica stands in the queue, and why it waits.
 *
 * @param position 1 is next
 */
public record QueuePosition(int position, String reason) {}
