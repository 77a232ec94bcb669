package dev.dormouse.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.Comparison;
import dev.dormouse.cli.bench.ComparisonReport;
import dev.dormouse.cli.bench.Paint;
import dev.dormouse.cli.bench.UnusableInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** When a change is one, and how comparisons are printed. */
final class CompareOptions {
    private enum Format {
        text, markdown, json
    }

    @Option(names = "--format", defaultValue = "text", paramLabel = "text|markdown|json", description = "Default: ${DEFAULT-VALUE}.")
    private Format format = Format.text;

    @Option(names = "--noise", defaultValue = "3", paramLabel = "PERCENT", description = "Medians closer than this are the same. Default: ${DEFAULT-VALUE}.")
    private double noise;

    @Option(names = "--alpha", defaultValue = "0.05", paramLabel = "P", description = "How often an unchanged build may be called changed. Default: ${DEFAULT-VALUE}.")
    private double alpha;

    @Option(names = "--report", paramLabel = "FILE", description = "Write the comparison there, in the format; the terminal gets text.")
    private @Nullable Path report;

    @Option(names = "--no-color", description = "No colours; $NO_COLOR does the same.")
    private boolean plain;

    /**
     * Prints each candidate against the baseline.
     *
     * @return the exit code: whether one of them is worse
     * @throws UnusableInputException when nothing can be said about the input, or the rules are none
     */
    int compare(BenchResult baseline, List<BenchResult> candidates) throws IOException {
        List<Comparison> comparisons = new ArrayList<>();
        for (BenchResult candidate : candidates) {
            comparisons.add(Comparison.of(baseline, candidate, rules()));
        }
        print(comparisons);
        return comparisons.stream().anyMatch(Comparison::regressed) ? BenchCommand.REGRESSION : BenchCommand.FINE;
    }

    private Comparison.Rules rules() throws UnusableInputException {
        try {
            return new Comparison.Rules(noise, alpha);
        } catch (IllegalArgumentException e) {
            throw new UnusableInputException(String.valueOf(e.getMessage()));
        }
    }

    private void print(List<Comparison> comparisons) throws IOException {
        if (report == null) {
            System.out.print(rendered(comparisons, format, paint()));
        } else {
            Files.writeString(report, rendered(comparisons, format, Paint.Plain));
            System.out.print(rendered(comparisons, Format.text, paint()));
        }
    }

    private Paint paint() {
        boolean colours = !plain && System.getenv("NO_COLOR") == null && System.console() != null
                && System.console().isTerminal();
        return colours ? Paint.Ansi : Paint.Plain;
    }

    private static String rendered(List<Comparison> comparisons, Format format, Paint paint) throws IOException {
        return switch (format) {
            case text -> comparisons.stream()
                    .map(comparison -> ComparisonReport.text(comparison, paint) + "\n")
                    .collect(Collectors.joining());
            case markdown -> comparisons.stream()
                    .map(comparison -> ComparisonReport.markdown(comparison) + "\n")
                    .collect(Collectors.joining());
            case json -> new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT)
                    .writeValueAsString(comparisons) + "\n";
        };
    }
}
