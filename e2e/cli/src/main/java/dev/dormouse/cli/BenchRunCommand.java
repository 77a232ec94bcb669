package dev.dormouse.cli;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.run.Environment;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "run", mixinStandardHelpOptions = true, description = "Measure fresh starts of copies of a model, on a local mode of its own or on the cluster of $KUBECONFIG.")
final class BenchRunCommand implements Callable<Integer> {
    @Mixin
    private BenchOptions options = new BenchOptions();

    @Option(names = "--ref", paramLabel = "NAME", description = "What this is a measurement of. Default: the revision of this checkout.")
    private @Nullable String ref;

    @Override
    public Integer call() throws IOException, InterruptedException {
        String name = ref == null ? Environment.revision(Dormouse.home()) : ref;
        BenchResult result;
        try (Teardown teardown = new Teardown()) {
            result = options.measure(List.of(new BenchOptions.Candidate(name, Dormouse.home(), null)), teardown)
                    .getFirst();
        } catch (IOException e) {
            System.err.println("dormouse bench run: " + (e.getMessage() == null ? e : e.getMessage()));
            return BenchCommand.UNUSABLE;
        }
        options.save(result);
        return BenchCommand.FINE;
    }
}
