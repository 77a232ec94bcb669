package dev.dormouse.sidecar.agent;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * How a test starts a JVM like its own, driver included.
 *
 * @param classData folder for class data that the processes share with those that come after them; absent: each
 *        loads and links all of its classes itself
 */
record JvmCommand(String classPath, @Nullable Path classData) {
    static final JvmCommand LIKE_THIS = new JvmCommand(System.getProperty("java.class.path"), null);

    /** Processes that end by SIGTERM leave their class data in the folder; later ones start in two thirds of the time. */
    static JvmCommand keepingClassData(Path folder) throws IOException {
        List<String> jars = new ArrayList<>();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            // Class data is kept of jars only.
            Path path = Path.of(entry);
            jars.add(Files.isDirectory(path) ? jar(path, folder.resolve(jars.size() + ".jar")).toString() : entry);
        }
        return new JvmCommand(String.join(File.pathSeparator, jars), folder);
    }

    private static Path jar(Path classes, Path jar) throws IOException {
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar));
                Stream<Path> files = Files.walk(classes)) {
            for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
                out.putNextEntry(new JarEntry(classes.relativize(file).toString()));
                Files.copy(file, out);
                out.closeEntry();
            }
        }
        return jar;
    }

    /** May be added to. */
    List<String> of(Class<?> main) {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow", "-Xmx256m",
                "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Djava.library.path=" + System.getProperty("java.library.path"), "-cp", classPath));
        if (classData != null) {
            command.addAll(List.of("-XX:+AutoCreateSharedArchive",
                    "-XX:SharedArchiveFile=" + classData.resolve(main.getSimpleName() + ".jsa"),
                    "-Xlog:cds*=off,aot*=off"));
        }
        for (String library : List.of("dormouse.cuda.driver", "dormouse.nvml.library")) {
            if (System.getProperty(library) != null) {
                command.add("-D" + library + "=" + System.getProperty(library));
            }
        }
        command.add(main.getName());
        return command;
    }
}
