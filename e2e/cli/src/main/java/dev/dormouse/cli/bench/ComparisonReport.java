package dev.dormouse.cli.bench;

import dev.dormouse.cli.bench.Change.Verdict;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** A comparison for a terminal and for a job summary. */
public final class ComparisonReport {
    private static final String RULE = "=".repeat(78) + "\n";
    private static final String ROW = "%-34s %12s %12s %12s %9s  ";

    private ComparisonReport() {}

    /** Sections in the order of R17: title, measurements, counts, lazy loading, summary. */
    public static String text(Comparison comparison, Paint paint) {
        StringBuilder text = new StringBuilder(RULE);
        text.append("COLD START BENCHMARK: ")
                .append(comparison.baseline().ref())
                .append(" -> ")
                .append(comparison.candidate().ref())
                .append('\n')
                .append(RULE);
        comparison.warnings().forEach(warning -> text.append("warning: ").append(warning).append('\n'));
        table(text, "MEASUREMENTS (medians)", comparison.changes(), paint);
        if (!comparison.counts().isEmpty()) {
            table(text, "COUNTS", comparison.counts(), paint);
        }
        lazy(text, comparison);
        text.append("\nSUMMARY\n").append(summary(comparison)).append('\n');
        return text.toString();
    }

    public static String markdown(Comparison comparison) {
        StringBuilder text = new StringBuilder("### Cold start: `%s` → `%s`%n%n".formatted(comparison.baseline().ref(),
                comparison.candidate().ref()));
        comparison.warnings().forEach(warning -> text.append("> **Warning:** ").append(warning).append("\n\n"));
        text.append("| | baseline | candidate | delta | % | |\n|---|---:|---:|---:|---:|---|\n");
        for (List<Change> rows : List.of(comparison.changes(), comparison.counts())) {
            for (Change change : rows) {
                text.append("| %s | %s | %s | %s | %s | %s |%n".formatted(name(change), number(change.baseline()),
                        number(change.candidate()), number(change.delta()), percent(change), word(change)));
            }
        }
        return text.append('\n').append(summary(comparison)).append('\n').toString();
    }

    /** A line per total (R21), then how many keys changed, and which way. */
    public static String summary(Comparison comparison) {
        StringBuilder text = new StringBuilder();
        for (Change change : comparison.changes()) {
            if (change.key().endsWith("total") && change.delta() != null) {
                text.append(String.format(Locale.ROOT, "%s: %s -> %s %s, %s%n", change.key(), number(change.baseline()),
                        number(change.candidate()), change.unit(), switch (change.verdict()) {
                            case Better -> "improved by " + by(change);
                            case Worse -> "worse by " + by(change);
                            case Same -> "no change";
                            case Unclear, OnlyBaseline, OnlyCandidate -> "too few samples to tell";
                        }));
            }
        }
        return text.append(String.format(Locale.ROOT, "%d better, %d worse, %d the same, %d not comparable",
                count(comparison, Verdict.Better), count(comparison, Verdict.Worse), count(comparison, Verdict.Same),
                count(comparison, Verdict.Unclear) + count(comparison, Verdict.OnlyBaseline)
                        + count(comparison, Verdict.OnlyCandidate)))
                .toString();
    }

    private static String by(Change change) {
        Double delta = change.delta();
        Double percent = change.percent();
        return String.format(Locale.ROOT, "%.2f %s (%s %%)", delta == null ? 0 : Math.abs(delta), change.unit(),
                percent == null ? "n/a" : String.format(Locale.ROOT, "%.2f", Math.abs(percent)));
    }

    private static long count(Comparison comparison, Verdict verdict) {
        return comparison.changes().stream().filter(change -> change.verdict() == verdict).count();
    }

    private static void table(StringBuilder text, String title, List<Change> rows, Paint paint) {
        text.append('\n').append(title).append('\n');
        text.append(String.format(Locale.ROOT, ROW, "", "baseline", "candidate", "delta", "%").stripTrailing())
                .append('\n');
        for (Change change : rows) {
            text.append(String.format(Locale.ROOT, ROW, name(change), number(change.baseline()),
                    number(change.candidate()), number(change.delta()), percent(change)));
            text.append(paint.of(change.verdict(), word(change))).append('\n');
        }
    }

    private static void lazy(StringBuilder text, Comparison comparison) {
        if (comparison.candidate().lazy().isEmpty()) {
            return;
        }
        text.append("\nLAZY LOADING\n");
        comparison.candidate().lazy().forEach((key, after) -> {
            Boolean before = comparison.baseline().lazy().get(key);
            String change = before == null
                    ? "n/a in the baseline"
                    : before.equals(after) ? "no change" : after ? "now lazy" : "now eager";
            text.append(String.format(Locale.ROOT, "%-34s %12s  %s%n", key, after ? "not loaded" : "loaded", change));
        });
    }

    private static String name(Change change) {
        return change.unit().isEmpty() ? change.key() : change.key() + " [" + change.unit() + "]";
    }

    private static String word(Change change) {
        Double delta = change.delta();
        String arrow = delta == null || delta == 0 ? "=" : delta > 0 ? "↓" : "↑";
        return switch (change.verdict()) {
            case Better -> arrow + " better";
            case Worse -> arrow + " worse";
            case Same -> "= same";
            case Unclear -> "? too few samples to tell";
            case OnlyBaseline -> "only in the baseline";
            case OnlyCandidate -> "only in the candidate";
        };
    }

    static String number(@Nullable Double value) {
        return value == null ? "n/a" : String.format(Locale.ROOT, Math.abs(value) >= 1e6 ? "%.4g" : "%.2f", value);
    }

    private static String percent(Change change) {
        Double percent = change.percent();
        return percent == null ? "n/a" : String.format(Locale.ROOT, "%.2f", percent);
    }
}
