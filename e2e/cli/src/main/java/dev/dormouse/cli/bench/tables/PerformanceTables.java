package dev.dormouse.cli.bench.tables;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.Measurement;
import dev.dormouse.cli.bench.Summary;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Markdown of recorded results: figure, limit or peer, ratio, goal, date, command. Equal results give equal text. */
public final class PerformanceTables {
    /** The steps of a start in their order, and what a person calls them. */
    private static final List<Map.Entry<String, String>> STEPS = List.of(Map.entry("request_to_decision",
            "request → decision"), Map.entry("decision_to_pod", "decision → pod"),
            Map.entry("pod_to_node",
                    "pod → node"),
            Map.entry("node_to_sidecar", "node → sidecar's first instruction"),
            Map.entry("outside_phases", "engine starts, between phases"), Map.entry("weight_load", "weights"),
            Map.entry("pool_alloc", "memory pools"), Map.entry("kernel_compile", "kernels, session"),
            Map.entry("custom_init", "own initialisation"), Map.entry("warmup_inference", "warmup inference"),
            Map.entry("ready_to_answer", "ready → answer"));

    /**
     * A ratio and what it is one of.
     *
     * @param figure key of what was measured
     * @param limit key of the limit or the peer of the same run
     * @param goal on the ratio, or absent; {@code ≤} when it is to be small
     */
    private record Ratio(String key, String name, String figure, String limit, Optional<Goal> goal) {}

    private record Goal(boolean atMost, double value) {
        String judge(double ratio) {
            boolean met = atMost ? ratio <= value : ratio >= value;
            return String.format(Locale.ROOT, "%s %.2f: %s", atMost ? "≤" : "≥", value, met ? "met" : "**missed**");
        }
    }

    private static final List<Ratio> RATIOS = List.of(
            new Ratio("restore.to_cold", "restore ÷ cold start", "restore.total", "cold.total", Optional.empty()),
            new Ratio("restore.of_plain_read", "restore rate, CRC on, fresh JVM ÷ plain read of the packs",
                    "restore.rate", "restore.plain_read", Optional.of(new Goal(false, 0.70))),
            new Ratio("restore.of_memory_copy", "the same ÷ memory copy", "restore.rate", "restore.memory_copy",
                    Optional.empty()),
            new Ratio("cold.of_plain_read", "weights of a cold start ÷ plain read of the source", "cold.weight_load",
                    "cold.plain_read", Optional.empty()),
            new Ratio("gateway.through_to_direct", "request through the gateway ÷ past it", "gateway.through",
                    "gateway.direct", Optional.empty()),
            new Ratio("load.to_restore", "last of many clients ÷ one client", "load.total", "restore.total",
                    Optional.empty()),
            new Ratio("scheduler.to_status_apply", "demand to pod ÷ one status apply", "scheduler.demand_to_pod",
                    "scheduler.status_apply", Optional.of(new Goal(true, 3))),
            new Ratio("restore.to_bare", "start that the bench watches ÷ one that it does not", "restore.total",
                    "bare.total", Optional.of(new Goal(true, 1.02))));

    private PerformanceTables() {}

    /** @param results in any order; they are shown by the bytes of their weights */
    public static String markdown(List<BenchResult> results) {
        List<BenchResult> ordered = results.stream()
                .sorted(Comparator.comparingDouble(PerformanceTables::bytes).thenComparing(BenchResult::ref))
                .toList();
        return starts(ordered) + "\n" + steps(ordered, "restore", "Where a restore's time goes") + "\n"
                + steps(ordered, "cold", "Where a cold start's time goes") + "\n" + ratios(ordered) + "\n"
                + provenance(ordered);
    }

    private static String starts(List<BenchResult> results) {
        StringBuilder text = new StringBuilder(
                """
                **Cold, restore, warm**: request sent to answer complete, median (p95).

                | model | weights | cold start | restore | restore ÷ cold | warm request | starts |
                |---|---:|---:|---:|---:|---:|---:|
                """);
        for (BenchResult result : results) {
            if (summary(result, "restore.total").isPresent() && summary(result, "cold.total").isPresent()) {
                text.append(row(result.ref(), format("%.0f MB", bytes(result) / 1e6), spread(result, "cold.total"),
                        spread(result, "restore.total"),
                        summary(result, "restore.to_cold").map(s -> format("**%.2f**", s.median())).orElse("n/a"),
                        spread(result, "gateway.through"),
                        summary(result, "restore.total").map(s -> Integer.toString(s.n())).orElse("n/a")));
            }
        }
        return text.toString();
    }

    /** Means, because they add up to the whole; of the middle half, because a few starts of a busy machine outweigh the rest. */
    private static String steps(List<BenchResult> all, String kind, String title) {
        List<BenchResult> results = all.stream()
                .filter(result -> summary(result, kind + ".outside_phases").isPresent())
                .toList();
        StringBuilder text = new StringBuilder(
                "**" + title + "**: means in ms over the middle half of the starts, share of the start.\n\n");
        List<String> refs = results.stream().map(BenchResult::ref).toList();
        text.append(row("step", refs)).append("|---|").append("---:|".repeat(refs.size())).append('\n');
        for (Map.Entry<String, String> step : STEPS) {
            String key = kind + "." + step.getKey();
            if (results.stream().anyMatch(result -> summary(result, key).isPresent())) {
                text.append(row(step.getValue(), results.stream()
                        .map(result -> middle(result, kind, key)
                                .map(mean -> format("%.0f (%.0f %%)", mean, 100 * mean / total(result, kind)))
                                .orElse("–"))
                        .toList()));
            }
        }
        text.append(row("**sum**", results.stream().map(result -> format("**%.0f**", total(result, kind))).toList()));
        return text.toString();
    }

    private static double total(BenchResult result, String kind) {
        return STEPS.stream()
                .flatMap(step -> middle(result, kind, kind + "." + step.getKey()).stream())
                .mapToDouble(Double::doubleValue)
                .sum();
    }

    /** Over the same starts for every step: those whose totals lie in the middle half. */
    private static Optional<Double> middle(BenchResult result, String kind, String key) {
        Measurement totals = result.measurements().get(kind + ".total");
        Measurement step = result.measurements().get(key);
        if (totals == null || step == null) {
            return Optional.empty();
        }
        if (step.samples().size() != totals.samples().size()) {
            return Optional.of(step.summary().mean()); // a phase that some starts skipped
        }
        int n = totals.samples().size();
        int cut = Math.min((n + 2) / 4, (n - 1) / 2);
        return Optional.of(IntStream.range(0, n)
                .boxed()
                .sorted(Comparator.comparing(start -> totals.samples().get(start)))
                .skip(cut)
                .limit(n - 2L * cut)
                .mapToDouble(start -> step.samples().get(start))
                .average()
                .orElseThrow());
    }

    private static String ratios(List<BenchResult> results) {
        StringBuilder text = new StringBuilder(
                """
                **Against the limit of the same run**: medians.

                | figure | model | measured | limit or peer | ratio | goal |
                |---|---|---:|---:|---:|---|
                """);
        for (Ratio ratio : RATIOS) {
            for (BenchResult result : results) {
                summary(result, ratio.key()).ifPresent(measured -> text.append(row(ratio.name(), result.ref(),
                        value(result, ratio.figure()), value(result, ratio.limit()),
                        format("**%.2f**", measured.median()),
                        ratio.goal().map(goal -> goal.judge(measured.median())).orElse(""))));
            }
        }
        return text.toString();
    }

    private static String provenance(List<BenchResult> results) {
        StringBuilder text = new StringBuilder(
                """
                | result | date | revision | page cache | command |
                |---|---|---|---|---|
                """);
        for (BenchResult result : results) {
            text.append(row(result.ref(), result.timestamp().substring(0, 10),
                    result.environment().getOrDefault("revision", "unknown"),
                    result.environment()
                            .getOrDefault("page_cache.snapshot",
                                    result.environment().getOrDefault("page_cache", "unknown")),
                    "`" + result.command() + "`"));
        }
        TreeSet<String> machines = results.stream()
                .map(result -> List.of("cores", "memory.gib", "os", "java", "kubernetes", "gpu")
                        .stream()
                        .map(key -> key + " " + result.environment().getOrDefault(key, "unknown"))
                        .collect(Collectors.joining(", ")))
                .collect(Collectors.toCollection(TreeSet::new));
        text.append("\nMeasured on: ").append(String.join("; ", machines)).append(".\n");
        List<String> notes = new ArrayList<>();
        results.forEach(result -> result.notes().forEach(note -> notes.add("- " + result.ref() + ": " + note + "\n")));
        return text + (notes.isEmpty() ? "" : "\nNotes of the runs:\n\n" + String.join("", notes));
    }

    private static String spread(BenchResult result, String key) {
        return summary(result, key).map(s -> ms(s.median()) + " (" + ms(s.p95()) + ")").orElse("n/a");
    }

    private static String value(BenchResult result, String key) {
        Measurement measured = result.measurements().get(key);
        if (measured == null) {
            return "n/a";
        }
        double median = measured.summary().median();
        return measured.unit().equals("ms") ? ms(median) : format("%.2f %s", median, measured.unit());
    }

    private static String ms(double millis) {
        return millis >= 1000 ? format("%.2f s", millis / 1000) : format(millis >= 100 ? "%.0f ms" : "%.1f ms", millis);
    }

    private static double bytes(BenchResult result) {
        return summary(result, "restore.bytes").map(Summary::median).orElse(0.0);
    }

    private static Optional<Summary> summary(BenchResult result, String key) {
        return Optional.ofNullable(result.measurements().get(key)).map(Measurement::summary);
    }

    private static String row(String first, List<String> rest) {
        return "| " + first + " | " + String.join(" | ", rest) + " |\n";
    }

    private static String row(String... cells) {
        return "| " + String.join(" | ", cells) + " |\n";
    }

    private static String format(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
