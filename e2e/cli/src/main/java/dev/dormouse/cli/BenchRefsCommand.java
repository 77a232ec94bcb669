package dev.dormouse.cli;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(name = "refs", mixinStandardHelpOptions = true, description = "Measure git revisions, each in a worktree of its own that is removed afterwards; two and more in turn, and compared with the first.")
final class BenchRefsCommand implements Callable<Integer> {
    @Parameters(arity = "0..*", paramLabel = "REVISION", description = "Branches, tags, commits. Default: HEAD, without what is not committed.")
    private List<String> refs = List.of();

    @Mixin
    private CompareOptions comparing = new CompareOptions();

    @Mixin
    private BenchOptions measuring = new BenchOptions();

    @Override
    public Integer call() throws InterruptedException {
        try {
            return new BenchTurns(measuring, comparing).revisions(refs.isEmpty() ? List.of("HEAD") : refs);
        } catch (IOException e) {
            System.err.println("dormouse bench refs: " + (e.getMessage() == null ? e : e.getMessage()));
            return BenchCommand.UNUSABLE;
        }
    }
}
