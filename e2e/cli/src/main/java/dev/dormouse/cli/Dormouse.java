package dev.dormouse.cli;

import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.nio.file.Path;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParseResult;

/** {@code dormouse}: local mode, the demo, the bench, running gateways, snapshot volumes. */
@Command(name = "dormouse", mixinStandardHelpOptions = true, version = "dormouse 0.1.0", subcommands = {
        BenchCommand.class, DemoCommand.class, GatewayCommand.class, LocalCommand.class,
        SnapshotCommand.class,
        TrainCommand.class}, description = "Serverless GPU inference on Kubernetes: models sleep at zero and wake from a snapshot.")
public final class Dormouse {
    private Dormouse() {}

    public static void main(String[] args) {
        System.exit(new CommandLine(new Dormouse())
                .setExecutionExceptionHandler(Dormouse::report)
                .execute(args));
    }

    /** One line that says what went wrong: the message of a file's exception alone is only its path. */
    static int report(Exception failure, CommandLine command, ParseResult arguments) {
        String what = switch (failure) {
            case NoSuchFileException missing when missing.getReason() == null -> "there is no " + missing.getFile();
            case NotDirectoryException file -> file.getFile() + " is no folder";
            case AccessDeniedException denied -> "no permission for " + denied.getFile();
            default -> failure.getMessage();
        };
        command.getErr().println("dormouse: " + what);
        return 1;
    }

    /** The checkout this command was started from. */
    static Path home() {
        return Path.of(System.getProperty("dormouse.home", ".")).toAbsolutePath().normalize();
    }
}
