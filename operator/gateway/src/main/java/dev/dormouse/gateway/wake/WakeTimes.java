package dev.dormouse.gateway.wake;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * How long models took to wake, as clients of this gateway felt it, and from that how long the present wake will still
 * take. Not safe for threads: the gateway's event loop owns it.
 */
public final class WakeTimes {
    private static final int REMEMBERED = 20;
    private static final double QUANTILE = 0.9;

    private static final class Model {
        private final Deque<Duration> past = new ArrayDeque<>();
        private @Nullable Instant began;
    }

    private final Map<ModelKey, Model> models = new HashMap<>();

    /** Somebody needs the model, and no replica answers. */
    public void demanded(ModelKey key, Instant now) {
        Model model = models.computeIfAbsent(key, first -> new Model());
        if (model.began == null) {
            model.began = now;
        }
    }

    /** A replica answers. */
    public void awake(ModelKey key, Instant now) {
        Model model = models.get(key);
        if (model != null && model.began != null) {
            model.past.addLast(Duration.between(model.began, now));
            model.began = null;
            if (model.past.size() > REMEMBERED) {
                model.past.removeFirst();
            }
        }
    }

    /** The wake failed, or nobody wants it any more: what it took so far says nothing. */
    public void abandoned(ModelKey key) {
        Model model = models.get(key);
        if (model != null) {
            model.began = null;
        }
    }

    public void forget(ModelKey key) {
        models.remove(key);
    }

    /**
     * How long the present wake, or the next one, will still take: nine of ten past ones were no longer. Zero for one that
     * takes longer than that; absent when none is known.
     *
     * @param told what somebody else knows of the last wake, used before this gateway has seen one itself
     */
    public Optional<Duration> remaining(ModelKey key, Instant now, Optional<Duration> told) {
        Model model = models.get(key);
        Optional<Duration> whole = model == null || model.past.isEmpty() ? told : Optional.of(usual(model.past));
        Duration passed = model == null || model.began == null ? Duration.ZERO : Duration.between(model.began, now);
        return whole.map(all -> all.minus(passed)).map(left -> left.isNegative() ? Duration.ZERO : left);
    }

    /** By nearest rank. */
    private static Duration usual(Deque<Duration> past) {
        List<Duration> sorted = new ArrayList<>(past);
        Collections.sort(sorted);
        return sorted.get((int) Math.ceil(QUANTILE * sorted.size()) - 1);
    }
}
