package dev.dormouse.gateway.load;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.pattern.History;
import dev.dormouse.domain.pattern.PatternRule;
import dev.dormouse.domain.pattern.RequestSample;
import dev.dormouse.domain.pattern.TrafficSignals;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What past requests were like, by model: the newest of each, of the models that were asked last, at most 24 hours
 * (W49, W73). Not safe for threads: the gateway's event loop owns it.
 */
public final class TrafficLog {
    private static final Duration REMEMBERED = Duration.ofHours(24);
    /** With a thousand samples each these take about 60 MiB at worst. */
    private static final int MOST_MODELS = 500;
    private static final int MOST_PURPOSES = 4096;

    /** One that forgets whoever was not asked for the longest time. */
    private static final class Newest<K, V> extends LinkedHashMap<K, V> {
        private static final long serialVersionUID = 1;
        private final int most;

        Newest(int most) {
            super(16, 0.75f, true);
            this.most = most;
        }

        @Override
        protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
            return size() > most;
        }
    }

    private static final class Model {
        private final History<RequestSample> samples;
        private long requests;
        private long cached;
        private long failed;
        private long inputTokens;
        private long outputTokens;
        /** What was found last, of what shape, and after how many requests. */
        private PatternRule.@Nullable Finding found;
        private TrafficSignals.Shape foundFor = TrafficSignals.Shape.FIXED;
        private long foundAt;

        Model(int entries) {
            samples = new History<>(entries, REMEMBERED);
        }

        /** A tenth of what is remembered must be new: the operator asks every second, for every model. */
        boolean isFound(TrafficSignals.Shape shape) {
            return found != null && foundFor.equals(shape) && requests - foundAt < Math.max(1, samples.size() / 10);
        }
    }

    private final int entries;
    private final Map<ModelKey, Model> models = new Newest<>(MOST_MODELS);
    private final Map<Long, Set<ModelKey>> purposes = new Newest<>(MOST_PURPOSES);
    private long requests;
    private long cached;

    /** @param entries most samples per model; at least 2 */
    public TrafficLog(int entries) {
        this.entries = entries;
    }

    /** A request for a known model was answered (W45). */
    public void finished(RequestTrace trace, int status, Duration took) {
        Model model = model(trace.model());
        RequestSample sample = new RequestSample(trace.arrivedAt(), trace.traits(), took, trace.timeToFirstByte(),
                trace.usage().map(Usage::input).orElse(0L), trace.usage().map(Usage::output).orElse(0L), status);
        model.samples.add(trace.arrivedAt(), sample);
        model.requests++;
        requests++;
        model.failed += sample.failed() ? 1 : 0;
        model.inputTokens += sample.inputTokens();
        model.outputTokens += sample.outputTokens();
        if (trace.traits().purpose() != 0) {
            purposes.computeIfAbsent(trace.traits().purpose(), first -> new HashSet<>()).add(trace.model());
        }
    }

    /** A request was answered from memory. */
    public void cached(ModelKey key) {
        model(key).cached++;
        cached++;
    }

    /** A request named no model there is; it counts in the total (W45). */
    public void unknown() {
        requests++;
    }

    private Model model(ModelKey key) {
        return models.computeIfAbsent(key, first -> new Model(entries));
    }

    public void forget(ModelKey key) {
        models.remove(key);
    }

    /** Models of which something is remembered. */
    public Set<ModelKey> models() {
        return Set.copyOf(models.keySet());
    }

    /** What is remembered of one model, the oldest first. */
    public List<RequestSample> samples(ModelKey key, Instant now) {
        Model model = models.get(key);
        if (model == null) {
            return List.of();
        }
        model.samples.trim(now);
        return model.samples.all();
    }

    /** As it was when a tenth of what is remembered was new. */
    public PatternRule.Finding pattern(ModelKey key, TrafficSignals.Shape shape, Instant now) {
        Model model = models.get(key);
        PatternRule.Finding last = model == null ? null : model.found;
        if (model != null && last != null && model.isFound(shape)) {
            return last;
        }
        PatternRule.Finding fresh = PatternRule.find(TrafficSignals.of(samples(key, now), this::isShared, shape));
        if (model != null) {
            model.found = fresh;
            model.foundFor = shape;
            model.foundAt = model.requests;
        }
        return fresh;
    }

    private boolean isShared(long purpose) {
        return purposes.getOrDefault(purpose, Set.of()).size() > 1;
    }

    /** What is known of one model. */
    public ModelTraffic traffic(ModelKey key, double perSecond, TrafficSignals.Shape shape, Instant now) {
        Model model = model(key);
        List<RequestSample> samples = samples(key, now);
        return new ModelTraffic(key, PatternRule.find(TrafficSignals.of(samples, this::isShared, shape)),
                model.requests, model.cached, model.failed, perSecond,
                ModelTraffic.Times.of(samples.stream().map(RequestSample::took)),
                ModelTraffic.Times.of(samples.stream().flatMap(sample -> sample.firstByte().stream())),
                model.inputTokens, model.outputTokens);
    }

    /** Since the start, requests for unknown models included. */
    public long requestsInAll() {
        return requests + cached;
    }

    public long cachedInAll() {
        return cached;
    }
}
