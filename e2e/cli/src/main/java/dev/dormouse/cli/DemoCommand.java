package dev.dormouse.cli;

import dev.dormouse.cli.demo.Demo;
import dev.dormouse.cli.figures.Figure;
import dev.dormouse.cli.figures.FigureFile;
import dev.dormouse.cli.local.LocalCluster;
import dev.dormouse.cli.local.LocalOptions;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "demo", mixinStandardHelpOptions = true, description = "A real model starts cold, sleeps, and wakes from its snapshot for a held request. Leaves nothing behind.")
final class DemoCommand implements Callable<Integer> {
    private static final double GOAL_SECONDS = 30;
    private static final double CONTROL_PLANE_GOAL_MILLIS = 1500;

    @Option(names = "--figures", paramLabel = "FILE", description = "Write what was measured as JSON.")
    private @Nullable Path figures;

    private final Clock clock = Clock.systemUTC();
    private final long begin = ManagementFactory.getRuntimeMXBean().getStartTime();

    @Override
    public Integer call() throws IOException, InterruptedException {
        System.out
                .println("Embedded control plane, not Kubernetes; device memory is host memory (docs/local-mode.md).");
        Path state = Files.createTempDirectory("dormouse-");
        Demo.Outcome outcome;
        double seconds;
        double controlPlaneMillis;
        try (Teardown teardown = new Teardown()) {
            LocalCluster cluster = teardown.owns(LocalCluster.start(
                    LocalOptions.of(Dormouse.home(), state.resolve("s")), this::say), state);
            outcome = new Demo(cluster, clock, this::say).run(Dormouse.home().resolve("docs/examples/minilm.yaml"));
            seconds = elapsedSeconds();
            controlPlaneMillis = cluster.controlPlaneStart().toNanos() / 1e6;
            System.out.println();
            System.out.print(outcome.table());
            System.out.printf(Locale.ROOT, "%n  from start to the restored answer: %.1f s%n", seconds);
        }
        if (figures != null) {
            List<Figure> measured = new ArrayList<>();
            measured.add(Figure.lower("demo.wall", seconds, "s", GOAL_SECONDS));
            measured.add(Figure.lower("controlplane.start", controlPlaneMillis, "ms", CONTROL_PLANE_GOAL_MILLIS));
            measured.addAll(outcome.figures());
            new FigureFile(FigureFile.SCHEMA, "./dormouse demo --figures FILE", clock.instant().toString(),
                    environment(), measured).write(figures);
        }
        return outcome.cold().distance(outcome.restore()) == 0 ? 0 : 1;
    }

    private static Map<String, String> environment() {
        return Map.of("cores", Integer.toString(Runtime.getRuntime().availableProcessors()), "java",
                Runtime.version().toString(), "os",
                System.getProperty("os.name") + " " + System.getProperty("os.version") + " "
                        + System.getProperty("os.arch"));
    }

    private void say(String line) {
        System.out.printf(Locale.ROOT, "%6.2f s  %s%n", elapsedSeconds(), line);
    }

    private double elapsedSeconds() {
        return (clock.millis() - begin) / 1e3;
    }
}
