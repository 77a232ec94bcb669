package dev.dormouse.cli;

import dev.dormouse.cli.demo.Demo;
import dev.dormouse.cli.local.App;
import dev.dormouse.cli.local.LocalCluster;
import dev.dormouse.cli.local.LocalOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** Part of the build: lets every process live through one cold start and one restore, and keeps what its JVM learned. */
@Command(name = "train", hidden = true, mixinStandardHelpOptions = true, description = "Write the ahead-of-time caches of all processes.")
final class TrainCommand implements Callable<Integer> {
    @Override
    public Integer call() throws IOException, InterruptedException {
        Path home = Dormouse.home();
        Path state = Files.createTempDirectory("dormouse-");
        try (Teardown teardown = new Teardown()) {
            LocalCluster cluster = teardown.owns(LocalCluster.start(
                    LocalOptions.of(home, state.resolve("s")).withTraining(), line -> {
                    }), state);
            new Demo(cluster, Clock.systemUTC(), line -> {
            }).rehearse(home.resolve("docs/examples/minilm.yaml"));
        }
        for (App app : App.values()) {
            System.out.printf("  %s%s%n", app, app.adoptTraining(home) ? "" : ": no cache, it starts without one");
        }
        return 0;
    }
}
