package dev.dormouse.cli;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.refs.Worktrees;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Measures several candidates in turn, A B A B, and holds them against the first. */
record BenchTurns(BenchOptions measuring, CompareOptions comparing) {

    /** Each in a worktree of its own, built by its own {@code ./dormouse}, measured by this one. */
    int revisions(List<String> refs) throws IOException, InterruptedException {
        try (Teardown teardown = new Teardown()) {
            Worktrees worktrees = teardown.owns(new Worktrees(Dormouse.home()));
            List<BenchOptions.Candidate> candidates = new ArrayList<>();
            for (String ref : refs) {
                candidates.add(new BenchOptions.Candidate(ref, worktrees.add(ref), null));
            }
            for (BenchOptions.Candidate candidate : candidates) {
                Path tree = candidate.home();
                System.out.println("building " + candidate.ref() + " in " + tree);
                worktrees.run(tree, tree.resolve("dormouse").toString(), "--version");
                train(worktrees, tree);
            }
            return compare(measuring.measure(candidates, teardown));
        }
    }

    /** A revision from before there was training, or whose training fails, starts without caches, as it does for its users. */
    private static void train(Worktrees worktrees, Path tree) throws InterruptedException {
        try {
            worktrees.run(tree, tree.resolve("dormouse").toString(), "train");
        } catch (IOException e) {
            System.out.println("without ahead-of-time caches: " + tree);
        }
    }

    /** Writes every result, then compares, if there is something to compare. */
    int compare(List<BenchResult> results) throws IOException {
        for (BenchResult result : results) {
            measuring.save(result);
        }
        return results.size() == 1
                ? BenchCommand.FINE
                : comparing.compare(results.getFirst(), results.subList(1, results.size()));
    }
}
