package dev.dormouse.cli.bench.run;

import dev.dormouse.cli.bench.Measurement;
import dev.dormouse.cli.bench.run.BenchPlan.PageCache;
import dev.dormouse.cli.figures.Figure.Better;
import dev.dormouse.cli.wake.PlainRead;
import dev.dormouse.sidecar.api.PhaseTiming;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;

/**
 * What this machine can do at best with the bytes of a start, measured right before each start, so that what disturbs the
 * machine disturbs both; and the page cache that the starts found.
 */
final class Limits {
    private static final int BLOCK = 64 << 20;
    /** Shares of this and more, or of the rest and less, count as all and as nothing. */
    private static final double NEARLY_ALL = 0.95;

    private final Site site;
    private final BenchPlan plan;
    private final Samples samples;
    private final Optional<Path> source;
    private final ByteBuffer from = touched();
    private final ByteBuffer to = touched();
    private final List<Double> sourceShares = new ArrayList<>();
    private final List<Double> snapshotShares = new ArrayList<>();

    Limits(Site site, GenericKubernetesResource model, BenchPlan plan, Samples samples) {
        this.site = site;
        this.plan = plan;
        this.samples = samples;
        this.source = SourceFiles.of(site, model);
    }

    void beforeCold(boolean counts) throws IOException, InterruptedException {
        if (source.isPresent()) {
            plainRead("cold", counts, source.get(), "");
            prepare(source.get(), sourceShares);
        }
    }

    void beforeRestore(Kind kind, boolean counts, ModelCopy copy) throws IOException, InterruptedException {
        Optional<Path> volume = volume(copy);
        if (volume.isPresent()) {
            if (kind == Kind.Restore) {
                plainRead("restore", counts, volume.get(), ".pack");
                samples.add("restore.memory_copy", "GB/s", Better.Higher, counts, memoryCopy() / 1e9);
            }
            prepare(volume.get(), snapshotShares);
        }
    }

    /** With a page cache that is kept this also brings it into the state that it says: all resident. */
    private void plainRead(String kind, boolean counts, Path folder, String ending)
            throws IOException, InterruptedException {
        if (plan.pageCache() == PageCache.Drop) {
            FileCache.drop(folder);
        }
        samples.add(kind + ".plain_read", "GB/s", Better.Higher, counts, PlainRead.once(folder, ending) / 1e9);
    }

    private void prepare(Path folder, List<Double> shares) throws IOException, InterruptedException {
        if (plan.pageCache() == PageCache.Drop) {
            FileCache.drop(folder);
        }
        FileCache.share(folder).ifPresent(shares::add);
    }

    private Optional<Path> volume(ModelCopy copy) {
        return site.claims().folder(site.namespace(), copy.snapshots());
    }

    Map<String, String> pageCache() {
        Map<String, String> facts = new TreeMap<>();
        facts.put("page_cache", plan.pageCache().name().toLowerCase(Locale.ROOT));
        fact(facts, "page_cache.source", plan.has(Kind.Cold), sourceShares);
        fact(facts, "page_cache.snapshot", plan.has(Kind.Restore), snapshotShares);
        return facts;
    }

    /** In words, because two runs with 99 and 100 percent had the same environment. */
    private static void fact(Map<String, String> facts, String key, boolean wanted, List<Double> shares) {
        if (wanted) {
            OptionalDouble least = shares.stream().mapToDouble(Double::doubleValue).min();
            OptionalDouble most = shares.stream().mapToDouble(Double::doubleValue).max();
            facts.put(key, least.isEmpty()
                    ? "unknown"
                    : least.getAsDouble() >= NEARLY_ALL
                            ? "all resident"
                            : most.getAsDouble() <= 1 - NEARLY_ALL ? "none resident" : "partly resident");
        }
    }

    /** Each start over its own limit, and kinds over each other. */
    void ratios() throws IOException {
        if (source.isPresent()) {
            double bytes = PlainRead.bytes(source.get(), "") / 1e6;
            pairs("cold." + PhaseTiming.WEIGHT_LOAD, "cold.plain_read", (millis, read) -> samples
                    .add("cold.of_plain_read", "ratio", Better.Higher, true, bytes / millis / read));
        }
        pairs("restore.rate", "restore.plain_read", (rate, read) -> samples.add("restore.of_plain_read", "ratio",
                Better.Higher, true, rate / read));
        pairs("restore.rate", "restore.memory_copy", (rate, copy) -> samples.add("restore.of_memory_copy", "ratio",
                Better.Higher, true, rate / copy));
        pairs("restore.total", "bare.total", (watched, bare) -> samples.add("restore.to_bare", "ratio", Better.Lower,
                true, watched / bare));
        pairs("restore.total", "cold.total", (restore, cold) -> samples.add("restore.to_cold", "ratio", Better.Lower,
                true, restore / cold));
        samples.ratio("load.to_restore", Better.Lower, "load.total", samples.median("restore.total").orElse(0));
    }

    @FunctionalInterface
    private interface Pair {
        void of(double figure, double limit);
    }

    private void pairs(String figure, String limit, Pair pair) {
        Measurement figures = samples.measurements().get(figure);
        Measurement limits = samples.measurements().get(limit);
        if (figures != null && limits != null) {
            for (int i = 0; i < Math.min(figures.samples().size(), limits.samples().size()); i++) {
                pair.of(figures.samples().get(i), limits.samples().get(i));
            }
        }
    }

    /** Bytes per second of one thread that copies memory into memory, both of which it wrote before. */
    private double memoryCopy() {
        from.put(0, (byte) (from.get(0) + 1));
        long start = System.nanoTime();
        to.clear().put(from.clear());
        return BLOCK * 1e9 / (System.nanoTime() - start);
    }

    private static ByteBuffer touched() {
        ByteBuffer buffer = ByteBuffer.allocateDirect(BLOCK);
        for (int i = 0; i < BLOCK; i += 4096) {
            buffer.put(i, (byte) 1);
        }
        return buffer;
    }
}
