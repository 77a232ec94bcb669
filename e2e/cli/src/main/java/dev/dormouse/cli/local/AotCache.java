package dev.dormouse.cli.local;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;

/**
 * One process' ahead-of-time cache (JEP 483): its classes as a training run left them, loaded and linked. A process that is trained writes it when it ends. The JVM ignores a cache of other jars or
 * flags.
 *
 * @param file beside the folder {@code app} with the process' jars
 */
record AotCache(Path file) {
    static final String QUIET = "-Xlog:cds*=off,aot*=off";

    /** Whether it was made from the jars that are there now. */
    boolean current() throws IOException {
        if (!Files.exists(file)) {
            return false;
        }
        try (DirectoryStream<Path> jars = Files.newDirectoryStream(file.resolveSibling("app"))) {
            for (Path jar : jars) {
                if (Files.getLastModifiedTime(jar).compareTo(Files.getLastModifiedTime(file)) > 0) {
                    return false;
                }
            }
        }
        return true;
    }

    List<String> use() {
        return List.of("-XX:AOTCache=" + file, QUIET);
    }

    /** Without the methods' profiles: with them C2 compiles during the start what had become hot long after it. */
    List<String> train() {
        return List.of("-XX:AOTCacheOutput=" + draft(), "-XX:+UnlockDiagnosticVMOptions", "-XX:-AOTRecordTraining",
                QUIET);
    }

    /**
     * Takes over what a training run wrote.
     *
     * @param jvmFlags with which the processes run, and ran when they were trained
     * @return whether the JVM accepts it; one that was killed while it wrote leaves one that it does not
     */
    boolean adopt(List<String> jvmFlags) throws IOException, InterruptedException {
        if (!Files.exists(draft())) {
            return false;
        }
        List<String> check = new ArrayList<>();
        check.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        check.addAll(jvmFlags);
        check.addAll(List.of("-XX:AOTMode=on", "-XX:AOTCache=" + draft(), QUIET, "-cp",
                file.resolveSibling("app") + "/*", "-version"));
        Process jvm = new ProcessBuilder(check).redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        if (jvm.waitFor() != 0) {
            Files.delete(draft());
            return false;
        }
        Files.move(draft(), file, StandardCopyOption.ATOMIC_MOVE);
        return true;
    }

    private Path draft() {
        return file.resolveSibling(file.getFileName() + ".new");
    }
}
