package dev.dormouse.cli;

import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** {@code dormouse}: local mode, the demo, the bench, snapshot volumes. */
@Command(name = "dormouse", mixinStandardHelpOptions = true, version = "dormouse 0.1.0", subcommands = {
        BenchCommand.class, DemoCommand.class, LocalCommand.class,
        SnapshotCommand.class}, description = "Serverless GPU inference on Kubernetes: models sleep at zero and wake from a snapshot.")
public final class Dormouse {
    private Dormouse() {}

    public static void main(String[] args) {
        System.exit(new CommandLine(new Dormouse())
                .setExecutionExceptionHandler((failure, command, parsed) -> {
                    command.getErr().println("dormouse: " + failure.getMessage());
                    return 1;
                })
                .execute(args));
    }

    /** The checkout this command was started from. */
    static Path home() {
        return Path.of(System.getProperty("dormouse.home", ".")).toAbsolutePath().normalize();
    }
}
