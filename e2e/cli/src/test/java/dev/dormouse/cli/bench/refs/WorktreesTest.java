package dev.dormouse.cli.bench.refs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.cli.bench.UnusableInputException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** On a real repository whose tree is as untidy as trees are: changes, staged ones, files git does not know, a stash. */
class WorktreesTest {
    @TempDir
    Path folder;

    private Path repository;
    private List<String> before;

    @BeforeEach
    void anUntidyRepository() throws Exception {
        repository = Files.createDirectory(folder.resolve("r")).toRealPath();
        git("init", "-q", "-b", "main");
        git("config", "user.email", "a@b");
        git("config", "user.name", "a");
        commit("one");
        git("branch", "old");
        commit("two");
        Files.writeString(repository.resolve("file"), "stashed");
        git("stash", "push", "-q");
        Files.writeString(repository.resolve("file"), "changed");
        Files.writeString(repository.resolve("staged"), "staged");
        git("add", "staged");
        Files.writeString(repository.resolve("untracked"), "untracked");
        before = state();
    }

    @Test
    @DisplayName("R13, R14, R36, R37: revisions lie in trees of their own; branch, changes, untracked files and stash stay as they were")
    void touchesNothingOfTheUser() throws Exception {
        List<Path> trees = new ArrayList<>();
        try (Worktrees worktrees = new Worktrees(repository)) {
            for (String ref : List.of("old", "main", "HEAD~1")) {
                trees.add(worktrees.add(ref));
            }
            assertThat(trees.stream().map(WorktreesTest::file)).containsExactly("one", "two", "one");
            assertThat(trees.getFirst().resolve("untracked")).doesNotExist();
            assertThat(state()).isEqualTo(before);
        }
        assertThat(trees).noneMatch(Files::exists).noneMatch(tree -> Files.exists(tree.getParent()));
        assertThat(git("worktree", "list").lines()).hasSize(1);
        assertThat(state()).isEqualTo(before);
    }

    @Test
    @DisplayName("R15, R36: a build that fails is named with its last lines, and nothing stays behind")
    void aFailingBuildLeavesNothing() throws Exception {
        assertThatThrownBy(() -> {
            try (Worktrees worktrees = new Worktrees(repository)) {
                worktrees.run(worktrees.add("main"), "sh", "-c", "echo no such module; exit 3");
            }
        }).isInstanceOf(IOException.class).hasMessageContaining("no such module");

        assertThat(git("worktree", "list").lines()).hasSize(1);
        assertThat(state()).isEqualTo(before);
    }

    @ParameterizedTest
    @ValueSource(strings = {"INT", "TERM"})
    @DisplayName("R15, R36: Ctrl-C in the middle of a build ends the build and removes the trees")
    void interruptionCleansUp(String signal) throws Exception {
        Process bench = victim();
        Path tree = Path.of(firstLine(bench));
        assertThat(tree).isDirectory();

        assertThat(new ProcessBuilder("kill", "-" + signal, Long.toString(bench.pid())).start().waitFor()).isZero();
        assertThat(bench.waitFor(30, TimeUnit.SECONDS)).isTrue();

        assertThat(tree).doesNotExist();
        assertThat(tree.getParent()).doesNotExist();
        assertThat(git("worktree", "list").lines()).hasSize(1);
        assertThat(state()).isEqualTo(before);
    }

    @Test
    @DisplayName("R16: what a kill −9 leaves behind is found and removed, and only that")
    void recoversAfterAKill() throws Exception {
        Process bench = victim();
        Path tree = Path.of(firstLine(bench));
        bench.descendants().forEach(ProcessHandle::destroyForcibly);
        bench.destroyForcibly().waitFor();
        assertThat(tree).isDirectory();
        git("worktree", "add", "-q", "--detach", folder.resolve("own").toString(), "old");

        try (Worktrees living = new Worktrees(repository)) {
            Path other = living.add("main");
            assertThat(Worktrees.recover(repository)).containsExactly(tree);
            assertThat(other).isDirectory();
        }
        assertThat(tree).doesNotExist();
        assertThat(folder.resolve("own")).isDirectory();
        assertThat(state()).isEqualTo(before);
    }

    @Test
    @DisplayName("R34: what is no revision, and what is no repository, is said so")
    void refusesWhatIsNotThere() throws Exception {
        try (Worktrees worktrees = new Worktrees(repository)) {
            assertThatThrownBy(() -> worktrees.add("no-such-branch")).isInstanceOf(UnusableInputException.class)
                    .hasMessageContaining("no-such-branch");
            assertThatThrownBy(() -> worktrees.add("--force")).isInstanceOf(UnusableInputException.class);
        }
        assertThatThrownBy(() -> new Worktrees(folder)).isInstanceOf(UnusableInputException.class)
                .hasMessageContaining("not in a git repository");
    }

    /** A process that checks a revision out, says where, and builds for an hour. */
    private Process victim() throws IOException {
        // Whoever runs the tests in a shell's background has SIGINT ignored, and children inherit that.
        return new ProcessBuilder("env", "--default-signal=INT,TERM",
                Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                System.getProperty("java.class.path"), Building.class.getName(), repository.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT)
                .start();
    }

    /** See {@link #victim}; its hook is what the command's teardown does. */
    static final class Building {
        private Building() {}

        public static void main(String[] args) throws Exception {
            Worktrees worktrees = new Worktrees(Path.of(args[0]));
            Runtime.getRuntime().addShutdownHook(new Thread(worktrees::close));
            Path tree = worktrees.add("main");
            System.out.println(tree);
            worktrees.run(tree, "sleep", "3600");
        }
    }

    private static String firstLine(Process process) throws IOException {
        BufferedReader reader = process.inputReader(StandardCharsets.UTF_8);
        String line = reader.readLine();
        return line == null ? "" : line;
    }

    private List<String> state() throws Exception {
        return List.of(git("status", "--porcelain", "--branch"), git("stash", "list"), git("rev-parse", "HEAD"),
                git("diff"), git("diff", "--cached"), Files.readString(repository.resolve("untracked")));
    }

    private void commit(String content) throws Exception {
        Files.writeString(repository.resolve("file"), content);
        git("add", "file");
        git("commit", "-q", "-m", content);
    }

    private static String file(Path tree) {
        try (Stream<String> lines = Files.lines(tree.resolve("file"))) {
            return lines.findFirst().orElse("");
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private String git(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("git"));
        command.addAll(List.of(arguments));
        Process git = new ProcessBuilder(command).directory(repository.toFile()).redirectErrorStream(true).start();
        String said = new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(git.waitFor()).as("%s: %s", command, said).isZero();
        return said;
    }
}
