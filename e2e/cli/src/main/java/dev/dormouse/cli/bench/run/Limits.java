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
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;

/**
 * What this machine can do at best with the bytes of a start, measured in the same run, and the page cache that the starts
 * found.
 */
final class Limits {
    private static final int COPIES = 5;
    private static final int BLOCK = 64 << 20;
    /** Shares of this and more, or of the rest and less, count as all and as nothing. */
    private static final double NEARLY_ALL = 0.95;

    private final Site site;
    private final BenchPlan plan;
    private final Samples samples;
    private final Optional<Path> source;
    private final List<Double> sourceShares = new ArrayList<>();
    private final List<Double> snapshotShares = new ArrayList<>();

    Limits(Site site, GenericKubernetesResource model, BenchPlan plan, Samples samples) {
        this.site = site;
        this.plan = plan;
        this.samples = samples;
        this.source = SourceFiles.of(site, model);
    }

    void beforeCold() throws IOException, InterruptedException {
        if (source.isPresent()) {
            prepare(source.get(), sourceShares);
        }
    }

    void beforeRestore(ModelCopy copy) throws IOException, InterruptedException {
        Optional<Path> volume = volume(copy);
        if (volume.isPresent()) {
            prepare(volume.get(), snapshotShares);
        }
    }

    private void prepare(Path folder, List<Double> shares) throws IOException, InterruptedException {
        if (plan.pageCache() == PageCache.Drop) {
            FileCache.drop(folder);
        }
        FileCache.share(folder).ifPresent(shares::add);
    }

    private PlainRead.Before before(Path folder) {
        return () -> {
            if (plan.pageCache() == PageCache.Drop) {
                FileCache.drop(folder);
            }
        };
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

    /** @param copy whose restores were measured; empty when none were */
    void measure(Optional<ModelCopy> copy) throws IOException, InterruptedException {
        if (plan.has(Kind.Cold) && source.isPresent()) {
            cold(source.get());
        }
        Optional<Path> volume = copy.flatMap(this::volume);
        if (plan.has(Kind.Restore) && volume.isPresent()) {
            double read = PlainRead.rate(volume.get(), ".pack", before(volume.get()));
            double memory = memoryCopy();
            samples.add("restore.plain_read", "GB/s", Better.Higher, true, read / 1e9);
            samples.add("restore.memory_copy", "GB/s", Better.Higher, true, memory / 1e9);
            samples.ratio("restore.of_plain_read", Better.Higher, "restore.rate", read / 1e9);
            samples.ratio("restore.of_memory_copy", Better.Higher, "restore.rate", memory / 1e9);
        }
        samples.ratio("restore.to_cold", Better.Lower, "restore.total", samples.median("cold.total").orElse(0));
        samples.ratio("load.to_restore", Better.Lower, "load.total", samples.median("restore.total").orElse(0));
        samples.ratio("restore.to_bare", Better.Lower, "restore.total", samples.median("bare.total").orElse(0));
    }

    private void cold(Path folder) throws IOException, InterruptedException {
        double read = PlainRead.rate(folder, "", before(folder));
        samples.add("cold.plain_read", "GB/s", Better.Higher, true, read / 1e9);
        Measurement load = samples.measurements().get("cold." + PhaseTiming.WEIGHT_LOAD);
        if (load != null) {
            double bytes = PlainRead.bytes(folder, "");
            load.samples()
                    .forEach(millis -> samples.add("cold.of_plain_read", "ratio", Better.Higher, true,
                            bytes / (millis / 1e3) / read));
        }
    }

    /** Bytes per second of one thread that copies memory into memory it wrote before; the median of five passes. */
    private static double memoryCopy() {
        ByteBuffer from = ByteBuffer.allocateDirect(BLOCK);
        ByteBuffer to = ByteBuffer.allocateDirect(BLOCK);
        for (int i = 0; i < BLOCK; i += 4096) {
            from.put(i, (byte) 1);
            to.put(i, (byte) 1);
        }
        double[] rates = new double[COPIES];
        for (int i = 0; i < COPIES; i++) {
            long start = System.nanoTime();
            to.clear().put(from.clear());
            rates[i] = BLOCK * 1e9 / (System.nanoTime() - start);
        }
        Arrays.sort(rates);
        return rates[COPIES / 2];
    }
}
