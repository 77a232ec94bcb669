package dev.dormouse.domain.scaling;

import java.util.OptionalInt;

/**
 * How many replicas the load of the last windows asks for, before the user's bounds.
 *
 * @param wanted now
 * @param keep not fewer than so many are to stay; absent until enough has been watched to take any away
 * @param panicking whether a burst holds the number up
 */
public record ScaleAdvice(int wanted, OptionalInt keep, boolean panicking) {}
