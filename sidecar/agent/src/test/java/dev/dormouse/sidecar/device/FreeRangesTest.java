package dev.dormouse.sidecar.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FreeRangesTest {
    private static final int ROOM = 1_000;

    private record Taken(long offset, long bytes) {}

    @Test
    void whatIsTakenNeverOverlapsAndAllOfItComesBack() {
        Random random = new Random(3);
        FreeRanges ranges = new FreeRanges(ROOM);
        boolean[] used = new boolean[ROOM];
        List<Taken> open = new ArrayList<>();
        for (int i = 0; i < 5_000; i++) {
            if (random.nextInt(5) < 2 && !open.isEmpty()) {
                Taken taken = open.remove(random.nextInt(open.size()));
                mark(used, taken, false);
                ranges.giveBack(taken.offset, taken.bytes);
                continue;
            }
            long bytes = 1 + random.nextInt(120);
            long offset = ranges.take(bytes);
            if (offset < 0) {
                assertThat(longestGap(used)).as("it refuses only what does not fit").isLessThan(bytes);
                continue;
            }
            Taken taken = new Taken(offset, bytes);
            mark(used, taken, true);
            open.add(taken);
        }
        open.forEach(taken -> ranges.giveBack(taken.offset, taken.bytes));

        assertThat(ranges.take(ROOM)).as("neighbours were joined").isZero();
    }

    private static void mark(boolean[] used, Taken taken, boolean now) {
        for (long at = taken.offset; at < taken.offset + taken.bytes; at++) {
            assertThat(used[(int) at]).isNotEqualTo(now);
            used[(int) at] = now;
        }
    }

    private static long longestGap(boolean[] used) {
        long longest = 0;
        long gap = 0;
        for (boolean taken : used) {
            gap = taken ? 0 : gap + 1;
            longest = Math.max(longest, gap);
        }
        return longest;
    }
}
