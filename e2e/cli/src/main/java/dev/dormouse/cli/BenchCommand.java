package dev.dormouse.cli;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.ResultFolder;
import dev.dormouse.cli.bench.UnusableInputException;
import dev.dormouse.cli.bench.refs.Worktrees;
import dev.dormouse.cli.bench.run.Leftovers;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Exit codes of every sub-command: 0 fine, 1 a regression or a missed limit, 2 input from which nothing can be said. */
@Command(name = "bench", mixinStandardHelpOptions = true, synopsisSubcommandLabel = "COMMAND", subcommands = {
        BenchRunCommand.class, BenchCompareCommand.class, BenchRefsCommand.class,
        BenchCheckCommand.class,
        BenchPlotCommand.class,
        BenchTablesCommand.class}, description = "Measure cold starts, and say what a change did to them.")
final class BenchCommand implements Runnable {
    static final String FOLDER = "bench-results";
    static final int FINE = 0;
    static final int REGRESSION = 1;
    static final int UNUSABLE = 2;

    @Spec
    private picocli.CommandLine.Model.@Nullable CommandSpec spec;

    @Override
    public void run() {
        if (spec == null) {
            throw new IllegalStateException("picocli injects the spec before it runs a command");
        }
        throw new ParameterException(spec.commandLine(),
                "say what to do: run, compare, refs, check, baseline, trend, plot, tables or recover");
    }

    @Command(name = "baseline", mixinStandardHelpOptions = true, description = "Keep a result as the one that compare takes when it is given one file.")
    int baseline(
            @Option(names = "--results", defaultValue = FOLDER, paramLabel = "DIR", description = "Default: ${DEFAULT-VALUE}.") Path results,
            @Parameters(arity = "0..1", paramLabel = "FILE", description = "Default: the latest.") @Nullable Path file)
            throws IOException {
        ResultFolder folder = new ResultFolder(results);
        BenchResult result;
        try {
            result = ResultFolder.read(file == null ? folder.latest() : file);
        } catch (UnusableInputException e) {
            System.err.println("dormouse bench baseline: " + e.getMessage());
            return UNUSABLE;
        }
        folder.saveBaseline(result);
        System.out.println(folder.baseline() + ": run " + result.runId() + " of " + result.ref());
        return FINE;
    }

    @Command(name = "trend", mixinStandardHelpOptions = true, description = "A key's median over every result of a folder, oldest first.")
    int trend(
            @Option(names = "--key", defaultValue = "restore.total", paramLabel = "KEY", description = "Default: ${DEFAULT-VALUE}.") String key,
            @Parameters(arity = "0..1", defaultValue = FOLDER, paramLabel = "DIR", description = "Default: ${DEFAULT-VALUE}.") Path folder)
            throws IOException {
        List<BenchResult> results;
        try {
            results = new ResultFolder(folder).all();
        } catch (UnusableInputException e) {
            System.err.println("dormouse bench trend: " + e.getMessage());
            return UNUSABLE;
        }
        for (BenchResult result : results) {
            var measured = result.measurements().get(key);
            System.out.printf(Locale.ROOT, "%-28s %-24s %s%n", result.timestamp(), result.ref(),
                    measured == null
                            ? "n/a"
                            : String.format(Locale.ROOT, "%.2f %s (p95 %.2f, n %d)", measured.summary().median(),
                                    measured.unit(), measured.summary().p95(), measured.summary().n()));
        }
        return FINE;
    }

    @Command(name = "recover", mixinStandardHelpOptions = true, description = "Remove what a killed bench left behind: its worktrees, and on a cluster the copies of models.")
    int recover(
            @Option(names = {"-n",
                    "--namespace"}, paramLabel = "NAME", description = "Delete every copy of a bench in this namespace of $KUBECONFIG's cluster: make sure that none runs.") @Nullable String namespace)
            throws IOException, InterruptedException {
        Worktrees.recover(Dormouse.home()).forEach(tree -> System.out.println("removed " + tree));
        if (namespace != null) {
            try (KubernetesClient client = new KubernetesClientBuilder().build()) {
                Leftovers.delete(client, namespace).forEach(name -> System.out.println("deleted " + name));
            }
        }
        return FINE;
    }
}
