package dev.dormouse.domain.warmup;

import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The ladder of a wake (design §5): the rungs that a replica may come up from, best first, each with a deadline of its own. A
 * rung that is refused, fails or overruns its deadline gives way to the next; the last one has what is left of the warmup's
 * deadline. The time that a rung does not use belongs to those below.
 */
public final class Ladder {

    /** Where a replica's weights come from, best first. */
    public enum Rung {
        /** A snapshot on the volume. */
        Volume,
        /** The model's source. */
        Cold
    }

    /**
     * How the last replica of this template ended that did not become ready.
     *
     * @param from the rung it was on
     * @param overran whether its time was over, and not something else wrong
     */
    public record Fall(Rung from, boolean overran) {}

    /**
     * @param rungs that are still to be tried, best first; never empty
     * @param deadlines of each, from the start of the replica
     * @param why it does not begin at the top; absent when it does
     */
    public record Climb(List<Rung> rungs, Map<Rung, Duration> deadlines, Optional<String> why) {
        public Climb {
            rungs = List.copyOf(rungs);
            deadlines = Map.copyOf(deadlines);
        }

        /** From the start of the replica. */
        public Duration deadline(Rung rung) {
            return deadlines.getOrDefault(rung, Duration.ZERO);
        }
    }

    private Ladder() {}

    /**
     * What the next replica may try, and until when.
     *
     * @param whole deadline of the warmup, from the start of the replica
     * @param snapshots whether there is a volume to restore from
     * @param last absent when the last replica became ready, or there was none of this template
     */
    public static Climb climb(Duration whole, boolean snapshots, Optional<Fall> last) {
        boolean hung = last.filter(fall -> fall.from() == Rung.Volume && fall.overran()).isPresent();
        List<Rung> rungs = snapshots && !hung ? List.of(Rung.Volume, Rung.Cold) : List.of(Rung.Cold);
        Map<Rung, Duration> deadlines = new EnumMap<>(Rung.class);
        for (int i = 0; i < rungs.size(); i++) {
            deadlines.put(rungs.get(i), whole.multipliedBy(i + 1L).dividedBy(rungs.size()));
        }
        return new Climb(rungs, deadlines, snapshots && hung
                ? Optional.of("the last replica restored its snapshot and was not ready within " + whole.toSeconds()
                        + " s: this one comes up from source")
                : Optional.empty());
    }
}
