package dev.dormouse.gateway.http;

import java.time.Duration;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * How far a wake is.
 *
 * @param rung where it started from
 * @param percent of the present phase
 * @param remaining until the model answers
 */
record Progress(String phase, String rung, OptionalInt percent, Optional<Duration> remaining) {

    /** For people: {@code Restoring 40 %, about 3 s, position 2}. @param position in the model's queue; 1 is next */
    String sentence(int position) {
        StringBuilder text = new StringBuilder(phase);
        percent.ifPresent(part -> text.append(' ').append(part).append(" %"));
        remaining.ifPresent(left -> text.append(", about ").append(seconds(left)).append(" s"));
        return text.append(", position ").append(position).toString();
    }

    /** For programs: {@code phase=Restoring percent=40 eta=3 position=2}. */
    String fields(int position) {
        StringBuilder text = new StringBuilder("phase=").append(phase);
        percent.ifPresent(part -> text.append(" percent=").append(part));
        remaining.ifPresent(left -> text.append(" eta=").append(seconds(left)));
        return text.append(" position=").append(position).toString();
    }

    /** The header X-Dormouse-Wake of an answer that begins before the wake has ended. */
    String header() {
        return rung + remaining.map(left -> ";eta=" + seconds(left)).orElse("");
    }

    /** The header X-Dormouse-Wake of an answer that waited. */
    static String header(String rung, Duration waited) {
        return String.format(Locale.ROOT, "%s;waited=%d.%03d", rung, waited.toSeconds(), waited.toMillisPart());
    }

    private static long seconds(Duration time) {
        return (time.toMillis() + 999) / 1000;
    }
}
