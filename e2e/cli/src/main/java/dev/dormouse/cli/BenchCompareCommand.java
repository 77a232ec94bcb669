package dev.dormouse.cli;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.ResultFolder;
import dev.dormouse.cli.bench.UnusableInputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(name = "compare", mixinStandardHelpOptions = true, description = "Hold results against the first of them, or one result against the baseline. Revisions and images are measured first, in turn: A B A B.")
final class BenchCompareCommand implements Callable<Integer> {
    private static final String IMAGE = "image:";

    @Parameters(arity = "1..*", paramLabel = "FILE|REVISION|image:NAME", description = "The baseline, then candidates, all of one sort; one file alone is compared with the saved baseline.")
    private List<String> subjects = List.of();

    @Mixin
    private CompareOptions comparing = new CompareOptions();

    @Mixin
    private BenchOptions measuring = new BenchOptions();

    @Override
    public Integer call() throws InterruptedException {
        try {
            if (subjects.stream().allMatch(subject -> subject.startsWith(IMAGE))) {
                return images();
            }
            boolean files = subjects.stream()
                    .anyMatch(subject -> subject.endsWith(".json") || Files.exists(Path.of(subject)));
            return files ? files() : new BenchTurns(measuring, comparing).revisions(subjects);
        } catch (IOException e) {
            System.err.println("dormouse bench compare: " + (e.getMessage() == null ? e : e.getMessage()));
            return BenchCommand.UNUSABLE;
        }
    }

    private int files() throws IOException {
        List<BenchResult> results = new ArrayList<>();
        if (subjects.size() == 1) {
            results.add(ResultFolder.read(new ResultFolder(measuring.results()).baseline()));
        }
        for (String subject : subjects) {
            results.add(ResultFolder.read(Path.of(subject)));
        }
        return comparing.compare(results.getFirst(), results.subList(1, results.size()));
    }

    private int images() throws IOException, InterruptedException {
        if (subjects.size() == 1) {
            throw new UnusableInputException("one image says nothing about another: name two");
        }
        List<BenchOptions.Candidate> candidates = subjects.stream()
                .map(subject -> subject.substring(IMAGE.length()))
                .map(image -> new BenchOptions.Candidate(image, Dormouse.home(), image))
                .toList();
        try (Teardown teardown = new Teardown()) {
            return new BenchTurns(measuring, comparing).compare(measuring.measure(candidates, teardown));
        }
    }
}
