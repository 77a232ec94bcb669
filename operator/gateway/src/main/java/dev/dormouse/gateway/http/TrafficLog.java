package dev.dormouse.gateway.http;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;

/** Per model: arrivals over the last minute and the end of the last request. Owned by the event loop. */
final class TrafficLog {
    private static final int WINDOW = 60;
    private static final Duration REMEMBERED = Duration.ofHours(1);

    private static final class Traffic {
        private final int[] perSecond = new int[WINDOW];
        private long second;
        private Instant lastEnd;

        Traffic(Instant now) {
            second = now.getEpochSecond();
            lastEnd = now;
        }

        private void advance(Instant now) {
            long present = now.getEpochSecond();
            for (long s = Math.max(second + 1, present - WINDOW + 1); s <= present; s++) {
                perSecond[(int) (s % WINDOW)] = 0;
            }
            second = Math.max(second, present);
        }
    }

    private final Map<ModelKey, Traffic> models = new HashMap<>();

    void arrived(ModelKey model, Instant now) {
        Traffic traffic = models.computeIfAbsent(model, first -> new Traffic(now));
        traffic.advance(now);
        traffic.perSecond[(int) (traffic.second % WINDOW)]++;
        traffic.lastEnd = now;
    }

    void ended(ModelKey model, Instant now) {
        models.computeIfAbsent(model, first -> new Traffic(now)).lastEnd = now;
    }

    double ratePerSecond(ModelKey model, Instant now) {
        Traffic traffic = models.get(model);
        if (traffic == null) {
            return 0;
        }
        traffic.advance(now);
        int sum = 0;
        for (int count : traffic.perSecond) {
            sum += count;
        }
        return (double) sum / WINDOW;
    }

    Duration sinceLastEnd(ModelKey model, Instant now) {
        Traffic traffic = models.get(model);
        return traffic == null ? REMEMBERED : Duration.between(traffic.lastEnd, now);
    }

    /** Models with traffic within the last hour; older ones are forgotten here. */
    Iterable<ModelKey> recent(Instant now) {
        models.values().removeIf(traffic -> Duration.between(traffic.lastEnd, now).compareTo(REMEMBERED) > 0);
        return java.util.List.copyOf(models.keySet());
    }
}
