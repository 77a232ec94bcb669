package dev.dormouse.cli;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.ResultFolder;
import dev.dormouse.cli.bench.UnusableInputException;
import dev.dormouse.cli.bench.plot.PlotPage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "plot", mixinStandardHelpOptions = true, description = "Results as one HTML file to look at: waterfalls, distributions, ratios, trend. Needs no network.")
final class BenchPlotCommand implements Callable<Integer> {
    @Parameters(arity = "0..*", paramLabel = "FILE", description = "Results to show in detail. Default: the latest.")
    private List<Path> files = List.of();

    @Option(names = "--results", defaultValue = BenchCommand.FOLDER, paramLabel = "DIR", description = "Whose results make the trend. Default: ${DEFAULT-VALUE}.")
    private Path results = Path.of(BenchCommand.FOLDER);

    @Option(names = {"-o", "--out"}, paramLabel = "FILE", description = "Default: bench.html in the results' folder.")
    private @Nullable Path out;

    @Override
    public Integer call() throws IOException {
        try {
            ResultFolder folder = new ResultFolder(results);
            List<BenchResult> shown = new ArrayList<>();
            for (Path file : files.isEmpty() ? List.of(folder.latest()) : files) {
                shown.add(ResultFolder.read(file));
            }
            Path page = out == null ? results.resolve("bench.html") : out;
            Files.writeString(page, new PlotPage(shown, Files.isDirectory(results) ? folder.all() : List.of()).html());
            System.out.println(page.toAbsolutePath().toUri());
            return BenchCommand.FINE;
        } catch (UnusableInputException e) {
            System.err.println("dormouse bench plot: " + e.getMessage());
            return BenchCommand.UNUSABLE;
        }
    }
}
