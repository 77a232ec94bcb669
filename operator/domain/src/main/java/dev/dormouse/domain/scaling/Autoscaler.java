package dev.dormouse.domain.scaling;

import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * How many replicas a load asks for, in the manner of Knative's pod autoscaler: the average of a stable window decides, and
 * a short panic window overrules it upwards when a burst needs twice what there is. While panicking the number only grows;
 * it ends when a whole stable window passed without a burst. See {@code docs/guide.md} for what differs.
 *
 * <p>What is not known is not zero: while no gateway answers, time stands still for the windows, and their numbers only
 * grow older. Not thread-safe.
 */
public final class Autoscaler {

    /**
     * @param target requests at a time per replica
     * @param panicThreshold panic begins when the panic window needs so many times the ready replicas
     * @param maxScaleUpRate at most so many times the ready replicas at once
     * @param maxScaleDownRate at least the ready replicas divided by this stay
     * @param scaleDownDelay a replica goes only when so long needed fewer
     */
    public record Settings(double target, Duration stableWindow, Duration panicWindow, double panicThreshold,
            double maxScaleUpRate, double maxScaleDownRate, Duration scaleDownDelay) {
        public Settings {
            if (target <= 0 || panicThreshold < 1 || maxScaleUpRate <= 1 || maxScaleDownRate <= 1
                    || !panicWindow.isPositive() || panicWindow.compareTo(stableWindow) > 0
                    || scaleDownDelay.isNegative()) {
                throw new IllegalArgumentException("impossible scaling settings: target " + target
                        + ", stable window " + stableWindow + ", panic window " + panicWindow + ", panic threshold "
                        + panicThreshold + ", rates " + maxScaleUpRate + " and " + maxScaleDownRate
                        + ", scale-down delay " + scaleDownDelay);
            }
        }

        /** Knative's defaults: 60 s, a tenth of it for panic, threshold 2, rates 1000 and 2. */
        public static Settings of(double target, Duration scaleDownDelay) {
            return new Settings(target, Duration.ofSeconds(60), Duration.ofSeconds(6), 2, 1000, 2, scaleDownDelay);
        }
    }

    /** From {@code at} on there were so many requests. */
    private record Sample(Instant at, int requests) {}

    private record Wanted(Instant at, int replicas) {}

    private final Deque<Sample> samples = new ArrayDeque<>();
    /** In order of time with falling numbers: the first is the most of the delay. */
    private final Deque<Wanted> delayed = new ArrayDeque<>();
    private Duration lost = Duration.ZERO;
    private @Nullable Instant unknownSince;
    private @Nullable Instant watchedSince;
    private @Nullable Instant panicSince;
    private int panicReplicas;

    /** Forgets everything: the model sleeps, and its next wake is another story. */
    public void forget() {
        samples.clear();
        delayed.clear();
        lost = Duration.ZERO;
        unknownSince = null;
        watchedSince = null;
        panicSince = null;
        panicReplicas = 0;
    }

    public void record(Load load, Settings settings, Instant now) {
        if (!(load instanceof Load.Known)) {
            unknownSince = unknownSince == null ? now : unknownSince;
            return;
        }
        if (unknownSince != null) {
            lost = lost.plus(Duration.between(unknownSince, now));
            unknownSince = null;
        }
        Instant at = now.minus(lost);
        watchedSince = watchedSince == null ? at : watchedSince;
        samples.addLast(new Sample(at, load.requests()));
        Instant from = at.minus(settings.stableWindow());
        while (samples.size() > 1 && secondAt(samples).compareTo(from) <= 0) {
            // The last one before the window still speaks for its beginning.
            samples.removeFirst();
        }
    }

    /** @return nothing before the first known load */
    public Optional<ScaleAdvice> advise(int readyReplicas, Settings settings, Instant now) {
        if (samples.isEmpty() || watchedSince == null) {
            return Optional.empty();
        }
        Instant at = (unknownSince == null ? now : unknownSince).minus(lost);
        int ready = Math.max(1, readyReplicas);
        double stable = Math.ceil(average(settings.stableWindow(), at) / settings.target());
        double panic = Math.ceil(average(settings.panicWindow(), at) / settings.target());
        double most = Math.ceil(settings.maxScaleUpRate() * ready);
        double least = Math.floor(ready / settings.maxScaleDownRate());
        int byStable = (int) Math.min(Math.max(stable, least), most);
        int byPanic = (int) Math.min(Math.max(panic, least), most);
        judgePanic(panic / ready >= settings.panicThreshold(), settings, at);
        int wanted = byStable;
        if (panicSince != null) {
            panicReplicas = Math.max(panicReplicas, Math.max(byStable, byPanic));
            wanted = panicReplicas;
        }
        return Optional.of(new ScaleAdvice(wanted, keep(wanted, settings, at), panicSince != null));
    }

    private void judgePanic(boolean burst, Settings settings, Instant at) {
        if (burst) {
            panicSince = at;
        } else if (panicSince != null && panicSince.plus(settings.stableWindow()).isBefore(at)) {
            panicSince = null;
            panicReplicas = 0;
        }
    }

    /** The most that was wanted within the delay, once a full stable window and the delay have been watched. */
    private OptionalInt keep(int wanted, Settings settings, Instant at) {
        while (!delayed.isEmpty() && delayed.getLast().replicas() <= wanted) {
            delayed.removeLast();
        }
        delayed.addLast(new Wanted(at, wanted));
        Instant from = at.minus(settings.scaleDownDelay());
        while (delayed.size() > 1 && !delayed.getFirst().at().isAfter(from)) {
            delayed.removeFirst();
        }
        Duration needed = settings.stableWindow().compareTo(settings.scaleDownDelay()) > 0
                ? settings.stableWindow()
                : settings.scaleDownDelay();
        return watchedSince == null || watchedSince.plus(needed).isAfter(at)
                ? OptionalInt.empty()
                : OptionalInt.of(delayed.getFirst().replicas());
    }

    /** Of the window that ends now, weighted by time; a younger history counts as the whole window. */
    private double average(Duration window, Instant at) {
        Instant from = at.minus(window);
        double sum = 0;
        double seconds = 0;
        Instant until = at;
        for (Iterator<Sample> newestFirst = samples.descendingIterator(); newestFirst.hasNext();) {
            Sample sample = newestFirst.next();
            Instant begin = sample.at().isBefore(from) ? from : sample.at();
            double length = Math.max(0, Duration.between(begin, until).toNanos() / 1e9);
            sum += length * sample.requests();
            seconds += length;
            if (!sample.at().isAfter(from)) {
                break;
            }
            until = sample.at().isBefore(until) ? sample.at() : until;
        }
        return seconds == 0 ? samples.getLast().requests() : sum / seconds;
    }

    private static Instant secondAt(Deque<Sample> samples) {
        Iterator<Sample> oldestFirst = samples.iterator();
        oldestFirst.next();
        return oldestFirst.next().at();
    }
}
