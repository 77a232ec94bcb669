package dev.dormouse.e2e.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A client program that people use, in one version: {@code kubectl} or {@code helm}, from {@code target/tools} where
 * {@code .ci/tools} put it, or from the PATH.
 *
 * @param label for the reader of a test report
 */
record Program(String label, Path executable) {
    private static final Path HOME = Path.of(System.getProperty("dormouse.home"));
    private static final int LIMIT_SECONDS = 60;

    /** What people type, and what they must see. */
    record Case(String name, @Nullable String needs, List<Step> steps) {}

    /**
     * One command.
     *
     * @param run the arguments; {@code $ns} is the case's namespace, {@code $charts} the folder of the test charts
     * @param stdin a document for {@code -f -}
     * @param env more environment
     * @param exit the exit code; 0 without one
     * @param out a regular expression that is found in what it prints
     */
    record Step(List<String> run, @Nullable JsonNode stdin, @Nullable Map<String, String> env, int exit,
            @Nullable String out) {}

    static List<Case> cases(String file) {
        try {
            return Api.YAML_MAPPER.readValue(Files.readString(TestCluster.RESOURCES.resolve(file)),
                    new TypeReference<>() {
                    });
        } catch (IOException e) {
            throw new UncheckedIOException("case file " + file + ": " + e.getMessage(), e);
        }
    }

    /** The versions that are here: one in {@code target/tools/*}, else the one on the PATH; empty when there is none. */
    static List<Program> find(String name) throws IOException {
        List<Path> found = new ArrayList<>();
        Path tools = HOME.resolve("target/tools");
        if (Files.isDirectory(tools)) {
            try (Stream<Path> folders = Files.list(tools)) {
                folders.sorted().map(folder -> folder.resolve(name)).filter(Files::isExecutable).forEach(found::add);
            }
        }
        if (found.isEmpty()) {
            Arrays.stream(System.getenv("PATH").split(":"))
                    .map(folder -> Path.of(folder, name))
                    .filter(Files::isExecutable)
                    .findFirst()
                    .ifPresent(found::add);
        }
        return found.stream()
                .map(path -> new Program(name + " " + path.getName(path.getNameCount() - 2), path))
                .toList();
    }

    /** @param folder for the program's caches and what it prints */
    void carryOut(Step step, Path kubeconfig, String namespace, Path folder) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(executable.toString(), "--kubeconfig", kubeconfig.toString(),
                "--namespace", namespace));
        if (step.run().contains("-n")) {
            command.subList(3, 5).clear();
        }
        step.run().forEach(argument -> command.add(substituted(argument, namespace)));
        Path in = folder.resolve("stdin");
        Path out = folder.resolve("out");
        Files.writeString(in, step.stdin() == null ? "" : substituted(step.stdin().toString(), namespace));
        ProcessBuilder builder = new ProcessBuilder(command).redirectInput(in.toFile())
                .redirectErrorStream(true)
                .redirectOutput(out.toFile());
        builder.environment().put("HOME", folder.toString());
        if (step.env() != null) {
            builder.environment().putAll(step.env());
        }
        Process process = builder.start();
        try {
            boolean ended = process.waitFor(LIMIT_SECONDS, TimeUnit.SECONDS);
            String printed = Files.readString(out);
            assertThat(ended).as("%s %s ends; so far: %s", label, step.run(), printed).isTrue();
            assertThat(process.exitValue()).as("%s %s: %s", label, step.run(), printed).isEqualTo(step.exit());
            if (step.out() != null) {
                assertThat(printed).as("%s %s", label, step.run())
                        .containsPattern(Pattern.compile(substituted(step.out(), namespace)));
            }
        } finally {
            process.destroyForcibly();
        }
    }

    private static String substituted(String text, String namespace) {
        return text.replace("$ns", namespace)
                .replace("$charts", TestCluster.RESOURCES.resolve("charts").toString());
    }
}
