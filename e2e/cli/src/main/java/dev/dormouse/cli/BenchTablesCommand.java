package dev.dormouse.cli;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.ResultFolder;
import dev.dormouse.cli.bench.UnusableInputException;
import dev.dormouse.cli.bench.tables.GeneratedBlock;
import dev.dormouse.cli.bench.tables.PerformanceTables;
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

@Command(name = "tables", mixinStandardHelpOptions = true, description = "Results as Markdown tables: printed, or put into a page between its marks.")
final class BenchTablesCommand implements Callable<Integer> {
    @Parameters(arity = "1..*", paramLabel = "FILE", description = "Results.")
    private List<Path> files = List.of();

    @Option(names = "--into", paramLabel = "PAGE", description = "Replaces what was generated there before.")
    private @Nullable Path page;

    @Override
    public Integer call() throws IOException {
        try {
            List<BenchResult> results = new ArrayList<>();
            for (Path file : files) {
                results.add(ResultFolder.read(file));
            }
            String tables = PerformanceTables.markdown(results);
            if (page == null) {
                System.out.print(tables);
            } else {
                Files.writeString(page, GeneratedBlock.replace(Files.readString(page), tables));
            }
            return BenchCommand.FINE;
        } catch (UnusableInputException e) {
            System.err.println("dormouse bench tables: " + e.getMessage());
            return BenchCommand.UNUSABLE;
        }
    }
}
