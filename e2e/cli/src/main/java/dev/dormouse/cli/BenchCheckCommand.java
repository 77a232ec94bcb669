package dev.dormouse.cli;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.ResultFolder;
import dev.dormouse.cli.bench.Targets;
import dev.dormouse.cli.bench.UnusableInputException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "check", mixinStandardHelpOptions = true, description = "Hold a result against targets; only a hard limit fails.")
final class BenchCheckCommand implements Callable<Integer> {
    @Parameters(arity = "0..1", paramLabel = "FILE", description = "Default: the latest result.")
    private @Nullable Path file;

    @Option(names = "--results", defaultValue = BenchCommand.FOLDER, paramLabel = "DIR", description = "Default: ${DEFAULT-VALUE}.")
    private Path results = Path.of(BenchCommand.FOLDER);

    @Option(names = "--targets", required = true, paramLabel = "FILE", description = "YAML: targets: {<key>: {target: …, limit: …}}.")
    private Path targets = Path.of("targets.yaml");

    @Override
    public Integer call() throws IOException {
        try {
            BenchResult result = ResultFolder.read(file == null ? new ResultFolder(results).latest() : file);
            Targets held = Targets.read(targets);
            List<Targets.Line> lines = held.check(result);
            lines.forEach(System.out::println);
            List<String> eager = held.eager(result);
            eager.forEach(key -> System.out.println(key + " was loaded and must be lazy: failed"));
            return !eager.isEmpty() || lines.stream().anyMatch(line -> line.standing() == Targets.Standing.Failed)
                    ? BenchCommand.REGRESSION
                    : BenchCommand.FINE;
        } catch (UnusableInputException e) {
            System.err.println("dormouse bench check: " + e.getMessage());
            return BenchCommand.UNUSABLE;
        }
    }
}
