package dev.dormouse.gateway.wake;

import dev.dormouse.domain.fleet.ModelKey;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiPredicate;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * When to write a model's demand: once when somebody begins to wait, again every five seconds while somebody waits and
 * the operator has not answered, sooner after a failure. Clients that come and go cannot cause more than four writes
 * per second and model.
 *
 * <p>Not safe for threads: the gateway's event loop owns it.
 */
public final class DemandSchedule {
    private static final Duration RENEWAL = Duration.ofSeconds(5);
    private static final Duration LEAST_GAP = Duration.ofMillis(250);
    private static final Duration FIRST_RETRY = Duration.ofMillis(100);

    private static final class Model {
        /** Time of the newest demand that the cluster has, or is being told. */
        private @Nullable Instant requestedAt;
        private @Nullable Instant nextAt;
        private boolean writing;
        /** Somebody began to wait while a write was under way. */
        private boolean again;
        private int failures;
    }

    private final Map<ModelKey, Model> models = new HashMap<>();

    /** Somebody began to wait for the model: the next {@link #due} says whether to write at once. */
    public void wanted(ModelKey key, Instant now) {
        Model model = models.computeIfAbsent(key, first -> new Model());
        if (model.writing) {
            model.again = true;
        } else if (model.failures == 0) {
            Instant earliest = model.requestedAt == null ? now : model.requestedAt.plus(LEAST_GAP);
            model.nextAt = earliest.isBefore(now) ? now : earliest;
        }
    }

    /**
     * The models whose demand must be written now. The caller writes each with this very time and reports back by
     * {@link #written} or {@link #failed}.
     *
     * @param waiting whether somebody still waits; a model that nobody waits for is forgotten
     * @param answered whether the operator has woken the model since that time
     */
    public List<ModelKey> due(Instant now, Predicate<ModelKey> waiting, BiPredicate<ModelKey, Instant> answered) {
        List<ModelKey> due = new ArrayList<>();
        models.entrySet()
                .removeIf(entry -> !entry.getValue().writing && !waiting.test(entry.getKey())
                        && overdue(entry.getValue().requestedAt, now));
        models.forEach((key, model) -> {
            if (model.writing || model.nextAt == null || now.isBefore(model.nextAt) || !waiting.test(key)) {
                return;
            }
            if (model.failures == 0 && model.requestedAt != null && answered.test(key, model.requestedAt)) {
                model.nextAt = now.plus(LEAST_GAP);
                return;
            }
            model.writing = true;
            model.requestedAt = now;
            due.add(key);
        });
        return due;
    }

    /** A model that is demanded again too soon must still be known by then. */
    private static boolean overdue(@Nullable Instant requestedAt, Instant now) {
        return requestedAt == null || !now.isBefore(requestedAt.plus(LEAST_GAP));
    }

    public void written(ModelKey key, Instant now) {
        Model model = models.get(key);
        if (model != null) {
            model.writing = false;
            model.failures = 0;
            model.nextAt = now.plus(model.again ? LEAST_GAP : RENEWAL);
            model.again = false;
        }
    }

    public void failed(ModelKey key, Instant now) {
        Model model = models.get(key);
        if (model != null) {
            model.writing = false;
            model.again = false;
            Duration pause = FIRST_RETRY.multipliedBy(1L << Math.min(model.failures, 10));
            model.nextAt = now.plus(pause.compareTo(RENEWAL) < 0 ? pause : RENEWAL);
            model.failures++;
        }
    }
}
