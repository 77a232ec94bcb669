package dev.dormouse.sidecar.host;

import dev.dormouse.sidecar.cuda.GpuFigure;
import java.io.IOException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks at regular times, and remembers an hour of it (BL41). The first look is one interval after the start, so that no
 * wake waits for it. Thread-safe.
 */
public final class Sampler implements AutoCloseable {
    /** More often costs more than it tells. */
    public static final Duration SHORTEST = Duration.ofSeconds(5);
    private static final Duration REMEMBERED = Duration.ofHours(1);
    private static final Logger LOG = LoggerFactory.getLogger(Sampler.class);

    private final HostFiles files;
    private final Supplier<Map<GpuFigure, Double>> gpu;
    private final Clock clock;
    private final int most;
    private final Deque<Sample> samples = new ArrayDeque<>();
    private final ScheduledExecutorService ticker = Executors
            .newSingleThreadScheduledExecutor(Thread.ofPlatform().daemon().name("sampler").factory());

    Sampler(HostFiles files, Supplier<Map<GpuFigure, Double>> gpu, Clock clock, Duration interval) {
        if (interval.compareTo(SHORTEST) < 0) {
            throw new IllegalArgumentException(interval + " is shorter than " + SHORTEST);
        }
        this.files = files;
        this.gpu = gpu;
        this.clock = clock;
        this.most = (int) REMEMBERED.dividedBy(interval);
    }

    /** @param interval at least {@link #SHORTEST} */
    public static Sampler start(HostFiles files, Supplier<Map<GpuFigure, Double>> gpu, Clock clock,
            Duration interval) {
        Sampler sampler = new Sampler(files, gpu, clock, interval);
        var unused = sampler.ticker.scheduleAtFixedRate(sampler::look, interval.toMillis(), interval.toMillis(),
                TimeUnit.MILLISECONDS);
        return sampler;
    }

    void look() {
        try {
            Sample sample = sample();
            synchronized (samples) {
                if (samples.size() == most) {
                    samples.removeFirst();
                }
                samples.addLast(sample);
            }
        } catch (IOException | RuntimeException e) {
            // A gap in the figures; the next look may be better, and nobody is served worse for it.
            LOG.warn("a sample is left out: {}", e.toString());
        }
    }

    private Sample sample() throws IOException {
        Map<String, Double> figures = new TreeMap<>();
        gpu.get().forEach((figure, value) -> figures.put(figure.metric(), value));
        HostFiles.Traffic traffic = files.traffic();
        Instant now = clock.instant();
        return new Sample(now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000, files.cpuMicros().orElse(null),
                files.memoryUsedBytes().orElse(null), files.swapUsedBytes().orElse(null), files.load().orElse(null),
                traffic.receivedBytes(), traffic.sentBytes(), figures);
    }

    /** Oldest first. */
    public List<Sample> after(long epochMicros) {
        synchronized (samples) {
            return samples.stream().filter(sample -> sample.atEpochMicros() > epochMicros).toList();
        }
    }

    @Override
    public void close() {
        ticker.shutdownNow();
    }
}
