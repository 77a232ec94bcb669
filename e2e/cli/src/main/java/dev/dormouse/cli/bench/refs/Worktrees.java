package dev.dormouse.cli.bench.refs;

import dev.dormouse.cli.bench.UnusableInputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Worktrees of their own for revisions of a repository. The user's working tree, index, branch and stash are never touched
 * (R14–R16, R36, R37): what is to be measured is checked out, detached, in a temporary folder, and closing removes it again.
 * The folder's name carries this process' id, so that {@link #recover} finds what a killed one left behind.
 */
public final class Worktrees implements AutoCloseable {
    private static final String PREFIX = "dormouse-refs-";
    private static final Pattern LEFT = Pattern.compile("worktree (.*/" + PREFIX + "(\\d+)-[^/]*/[^/]*)");
    private static final int LAST_LINES = 25;

    private final Path repository;
    private final Path folder;
    /** Guarded by this. */
    private final List<Path> added = new ArrayList<>();
    private volatile @Nullable Process running;
    private volatile boolean closed;

    /**
     * @param checkout any folder of the repository
     * @throws UnusableInputException when there is no repository
     */
    public Worktrees(Path checkout) throws IOException, InterruptedException {
        repository = Path.of(git(checkout, "rev-parse", "--show-toplevel").orElseThrow(
                () -> new UnusableInputException(checkout + " is not in a git repository, which revisions come from")));
        folder = Files.createTempDirectory(PREFIX + ProcessHandle.current().pid() + "-");
    }

    /**
     * Checks a revision out.
     *
     * @param ref a branch, a tag, a commit; what it names now stays what is measured, wherever the branch goes meanwhile
     * @throws UnusableInputException when there is no such revision
     */
    public synchronized Path add(String ref) throws IOException, InterruptedException {
        refuseWhenClosed();
        String commit = git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", ref + "^{commit}")
                .orElseThrow(() -> new UnusableInputException(ref + " is neither a file nor a revision of " + repository
                        + ". See: git log --oneline; in a shallow clone, fetch it first"));
        Path tree = folder.resolve(added.size() + "-" + commit.substring(0, 12));
        added.add(tree); // Before git begins: a half-made one is removed as well.
        run(repository, "git", "worktree", "add", "--quiet", "--detach", tree.toString(), commit);
        return tree;
    }

    /**
     * Runs a command in a worktree and waits for it; closing ends it.
     *
     * @throws IOException when it fails, with the last lines of what it wrote
     */
    public void run(Path tree, String... command) throws IOException, InterruptedException {
        refuseWhenClosed();
        Process process = new ProcessBuilder(command).directory(tree.toFile())
                .redirectErrorStream(true)
                .redirectInput(ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()))
                .start();
        running = process;
        try {
            String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (process.waitFor() != 0) {
                List<String> lines = said.lines().toList();
                throw new IOException(String.join(" ", command) + " failed in " + tree + ":\n"
                        + String.join("\n", lines.subList(Math.max(0, lines.size() - LAST_LINES), lines.size())));
            }
        } finally {
            running = null;
        }
    }

    private void refuseWhenClosed() throws IOException {
        if (closed) {
            throw new IOException("interrupted");
        }
    }

    /** Ends what runs in the worktrees and removes them. What cannot be removed is named. */
    @Override
    public void close() {
        closed = true;
        Process process = running;
        if (process != null) {
            process.descendants().forEach(ProcessHandle::destroy);
            process.destroy();
        }
        synchronized (this) {
            try {
                for (Path tree : added) {
                    remove(repository, tree);
                }
                added.clear();
                Files.deleteIfExists(folder);
            } catch (IOException e) {
                throw new UncheckedIOException(folder + " could not be removed; dormouse bench recover tries again", e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /**
     * Removes the worktrees of processes that are gone (R16).
     *
     * @return what was removed
     */
    public static List<Path> recover(Path checkout) throws IOException, InterruptedException {
        List<Path> removed = new ArrayList<>();
        String list = git(checkout, "worktree", "list", "--porcelain").orElseThrow(
                () -> new UnusableInputException(checkout + " is not in a git repository"));
        for (String line : list.lines().toList()) {
            Matcher left = LEFT.matcher(line);
            if (left.matches() && ProcessHandle.of(Long.parseLong(left.group(2))).isEmpty()) {
                Path tree = Path.of(left.group(1));
                remove(checkout, tree);
                Files.deleteIfExists(tree.getParent());
                removed.add(tree);
            }
        }
        return List.copyOf(removed);
    }

    /** Also where git does not know it, or knows only half of it. */
    private static void remove(Path repository, Path tree) throws IOException, InterruptedException {
        git(repository, "worktree", "remove", "--force", "--force", tree.toString());
        if (Files.exists(tree)) {
            try (Stream<Path> files = Files.walk(tree)) {
                for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                    Files.deleteIfExists(file);
                }
            }
        }
        git(repository, "worktree", "prune");
    }

    /** What git answers; empty when it refuses. */
    private static Optional<String> git(Path folder, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of("git"));
        command.addAll(Arrays.asList(arguments));
        Process git = new ProcessBuilder(command).directory(folder.toFile())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String said = new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        return git.waitFor() == 0 ? Optional.of(said) : Optional.empty();
    }
}
