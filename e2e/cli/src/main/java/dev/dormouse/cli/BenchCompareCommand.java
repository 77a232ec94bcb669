package dev.dormouse.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.Comparison;
import dev.dormouse.cli.bench.ComparisonReport;
import dev.dormouse.cli.bench.Paint;
import dev.dormouse.cli.bench.ResultFolder;
import dev.dormouse.cli.bench.UnusableInputException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "compare", mixinStandardHelpOptions = true, description = "Hold results against the first of them, or one result against the baseline.")
final class BenchCompareCommand implements Callable<Integer> {
    private enum Format {
        text, markdown, json
    }

    @Parameters(arity = "1..*", paramLabel = "FILE", description = "The baseline, then candidates; one file alone is compared with the saved baseline.")
    private List<Path> files = List.of();

    @Option(names = "--results", defaultValue = BenchCommand.FOLDER, paramLabel = "DIR", description = "Where the saved baseline lies. Default: ${DEFAULT-VALUE}.")
    private Path results = Path.of(BenchCommand.FOLDER);

    @Option(names = "--format", defaultValue = "text", paramLabel = "text|markdown|json", description = "Default: ${DEFAULT-VALUE}.")
    private Format format = Format.text;

    @Option(names = "--noise", defaultValue = "3", paramLabel = "PERCENT", description = "Medians closer than this are the same. Default: ${DEFAULT-VALUE}.")
    private double noise;

    @Option(names = "--alpha", defaultValue = "0.05", paramLabel = "P", description = "How often an unchanged build may be called changed. Default: ${DEFAULT-VALUE}.")
    private double alpha;

    @Option(names = "--no-color", description = "No colours; $NO_COLOR does the same.")
    private boolean plain;

    @Override
    public Integer call() throws IOException {
        try {
            return compare();
        } catch (UnusableInputException | IllegalArgumentException e) {
            System.err.println("dormouse bench compare: " + e.getMessage());
            return BenchCommand.UNUSABLE;
        }
    }

    private int compare() throws IOException {
        Comparison.Rules rules = new Comparison.Rules(noise, alpha);
        boolean againstSaved = files.size() == 1;
        BenchResult baseline = ResultFolder
                .read(againstSaved ? new ResultFolder(results).baseline() : files.getFirst());
        List<Comparison> comparisons = new ArrayList<>();
        for (Path file : againstSaved ? files : files.subList(1, files.size())) {
            comparisons.add(Comparison.of(baseline, ResultFolder.read(file), rules));
        }
        print(comparisons);
        return comparisons.stream().anyMatch(Comparison::regressed) ? BenchCommand.REGRESSION : BenchCommand.FINE;
    }

    private void print(List<Comparison> comparisons) throws IOException {
        boolean colours = !plain && System.getenv("NO_COLOR") == null && System.console() != null
                && System.console().isTerminal();
        switch (format) {
            case text -> comparisons.forEach(comparison -> System.out
                    .println(ComparisonReport.text(comparison, colours ? Paint.Ansi : Paint.Plain)));
            case markdown -> comparisons.forEach(comparison -> System.out
                    .println(ComparisonReport.markdown(comparison)));
            case json -> System.out.println(new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT)
                    .writeValueAsString(comparisons));
        }
    }
}
