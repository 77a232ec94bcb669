package dev.dormouse.cli.bench.run;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The classes a JVM of this machine has loaded, by the JDK's own {@code jcmd}.
 *
 * @param names fully qualified
 */
record LoadedClasses(List<String> names) {

    static LoadedClasses of(long pid) throws IOException, InterruptedException {
        Path jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd");
        Process process = new ProcessBuilder(jcmd.toString(), Long.toString(pid), "VM.class_hierarchy")
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException("jcmd cannot read the classes of process " + pid + ": " + output.strip());
        }
        return parse(output);
    }

    /** Lines such as {@code |  |--dev.dormouse.Foo/0x0000…}; a class without a loader ends in {@code /null}. */
    static LoadedClasses parse(String hierarchy) {
        return new LoadedClasses(hierarchy.lines()
                .map(line -> line.replaceFirst("^[|\\s-]*", ""))
                .filter(line -> line.matches("[\\w.$]+/(0x[0-9a-f]+|null).*"))
                .map(line -> line.substring(0, line.indexOf('/')))
                .toList());
    }

    long own() {
        return names.stream().filter(name -> name.startsWith("dev.dormouse.")).count();
    }

    /** Packages of ours that a class was loaded from. */
    long ownPackages() {
        return packages().filter(name -> name.startsWith("dev.dormouse.")).count();
    }

    /** Modules of the JDK that a class was loaded from; what is on the class path counts as one more. */
    long modules() {
        Map<String, String> moduleOf = new HashMap<>();
        ModuleLayer.boot()
                .modules()
                .forEach(module -> module.getPackages().forEach(name -> moduleOf.put(name, module.getName())));
        return packages().map(name -> moduleOf.getOrDefault(name, "")).distinct().count();
    }

    private Stream<String> packages() {
        return names.stream()
                .filter(name -> name.contains("."))
                .map(name -> name.substring(0, name.lastIndexOf('.')))
                .distinct();
    }

    boolean any(String prefix) {
        return names.stream().anyMatch(name -> name.startsWith(prefix));
    }
}
