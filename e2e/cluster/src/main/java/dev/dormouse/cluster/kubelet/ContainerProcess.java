package dev.dormouse.cluster.kubelet;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.IntConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** One run of one container: a process with everything it starts. Its output goes straight into a file. */
final class ContainerProcess {
    /** All that a container gets from the node's own environment: credentials must not leak into pods. */
    private static final Set<String> INHERITED = Set.of("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "JAVA_HOME");
    private static final File NOTHING = new File("/dev/null");
    private static final Path KERNEL_COUNTERS = Path.of("/proc/vmstat");
    private static final Pattern OOM_KILLS = Pattern.compile("(?m)^oom_kill (\\d+)$");

    private final Process process;
    private final String mark;
    private final Path pidFile;
    private final long oomKillsBefore;

    private ContainerProcess(Process process, String mark, Path pidFile, long oomKillsBefore) {
        this.process = process;
        this.mark = mark;
        this.pidFile = pidFile;
        this.oomKillsBefore = oomKillsBefore;
    }

    /**
     * @param mark identifies the container among all of this machine
     * @param pidFile tells a later node what to clean up
     * @throws IOException when the program does not exist or cannot be executed
     */
    static ContainerProcess start(Launch launch, Path log, String mark, Path pidFile) throws IOException {
        ProcessBuilder builder = builder(launch, mark).redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        long oomKills = oomKills();
        Process process = builder.start();
        try {
            Files.writeString(pidFile, process.pid() + " " + startOf(process.toHandle()));
        } catch (IOException e) {
            process.destroyForcibly();
            throw e;
        }
        return new ContainerProcess(process, mark, pidFile, oomKills);
    }

    /** A process in the container's environment, its output and errors joined. */
    static ProcessBuilder builder(Launch launch, String mark) {
        ProcessBuilder builder = new ProcessBuilder(launch.command()).directory(launch.workingDirectory().toFile())
                .redirectErrorStream(true)
                .redirectInput(NOTHING);
        builder.environment().keySet().retainAll(INHERITED);
        builder.environment().putAll(launch.environment());
        builder.environment().put(ProcessTree.MARK, mark);
        return builder;
    }

    long pid() {
        return process.pid();
    }

    CompletableFuture<Process> end() {
        return process.onExit();
    }

    /** Tells the exit code, as soon as there is one. */
    void whenEnded(IntConsumer listener) {
        CompletableFuture<Void> _ = end().thenAccept(ended -> listener.accept(ended.exitValue()));
    }

    /** SIGTERM to every process of the container, as a terminal does: a shell in front does not pass it on. */
    void terminate() {
        ProcessTree.of(process.toHandle(), mark).forEach(ProcessHandle::destroy);
    }

    void kill() {
        ProcessTree.kill(ProcessTree.of(process.toHandle(), mark), mark + '\0');
    }

    /** Ends what the first process has left behind: a container ends with it. */
    void sweep() throws IOException {
        ProcessTree.kill(ProcessTree.marked(mark + '\0'), mark + '\0');
        Files.deleteIfExists(pidFile);
    }

    /** Whether the kernel has killed processes for want of memory since this one started. */
    boolean oomSinceStart() {
        return oomKills() > oomKillsBefore;
    }

    private static long oomKills() {
        try {
            Matcher counter = OOM_KILLS.matcher(Files.readString(KERNEL_COUNTERS));
            return counter.find() ? Long.parseLong(counter.group(1)) : 0;
        } catch (IOException _) {
            // Not Linux: a process killed for memory then shows as killed by signal 9.
            return 0;
        }
    }

    /** Kills what the pid file names, if it still is that process. */
    static void killLeftover(Path pidFile) throws IOException {
        String[] line = Files.readString(pidFile).split(" ");
        if (line.length == 2) {
            ProcessHandle.of(Long.parseLong(line[0]))
                    .filter(p -> Long.toString(startOf(p)).equals(line[1]))
                    .ifPresent(p -> {
                        p.descendants().forEach(ProcessHandle::destroyForcibly);
                        p.destroyForcibly();
                    });
        }
        Files.deleteIfExists(pidFile);
    }

    private static long startOf(ProcessHandle process) {
        return process.info().startInstant().map(Instant::toEpochMilli).orElse(0L);
    }

    /** The signal behind a shell-style exit code. */
    static Optional<Integer> signal(int exitCode) {
        return exitCode > 128 && exitCode < 160 ? Optional.of(exitCode - 128) : Optional.empty();
    }
}
