package dev.dormouse.gateway.load;

import java.time.Instant;

/** Arrivals within the last minute, in one counter per second. Not safe for threads. */
final class ArrivalRate {
    private static final int SECONDS = 60;

    private final int[] counts = new int[SECONDS];
    private long newest = Long.MIN_VALUE;

    void arrived(Instant now) {
        advance(now.getEpochSecond());
        counts[slot(newest)]++;
    }

    /** Per second over the last 60 s, the present second included. */
    double perSecond(Instant now) {
        advance(now.getEpochSecond());
        long sum = 0;
        for (int count : counts) {
            sum += count;
        }
        return (double) sum / SECONDS;
    }

    /** A clock that goes back counts into the newest second known. */
    private void advance(long second) {
        if (second <= newest) {
            return;
        }
        for (long s = Math.max(newest + 1, second - SECONDS + 1); s <= second; s++) {
            counts[slot(s)] = 0;
        }
        newest = second;
    }

    private static int slot(long second) {
        return Math.floorMod(second, SECONDS);
    }
}
