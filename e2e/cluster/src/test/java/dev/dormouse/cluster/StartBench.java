package dev.dormouse.cluster;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/**
 * Measures, in fresh JVMs, how long the embedded control plane takes from the start of its JVM until it serves, keys and
 * certificate included: median of 5, goal 1.5 s. Writes {@code target/figures/control-plane-start.json}. Run it with
 * {@code java -cp target/test-classes:target/classes:<class path> dev.dormouse.cluster.StartBench}.
 */
public final class StartBench {
    private static final int RUNS = 5;
    private static final double GOAL_SECONDS = 1.5;

    private StartBench() {}

    public static void main(String[] arguments) throws IOException, InterruptedException {
        Path folder = Files.createTempDirectory("dormouse-start");
        try {
            if (arguments.length > 0) {
                System.out.println("served after ms: " + startOnce(folder).toMillis());
                return;
            }
            List<Double> seconds = new ArrayList<>();
            for (int run = 0; run < RUNS; run++) {
                seconds.add(freshJvm());
            }
            write(seconds.stream().sorted().toList().get(RUNS / 2));
        } finally {
            Files.delete(folder);
        }
    }

    private static Duration startOnce(Path folder) {
        try (EmbeddedControlPlane _ = EmbeddedControlPlane.start(folder)) {
            long begin = ManagementFactory.getRuntimeMXBean().getStartTime();
            return Duration.between(Instant.ofEpochMilli(begin), Instant.now());
        }
    }

    private static double freshJvm() throws IOException, InterruptedException {
        Process jvm = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                System.getProperty("java.class.path"), StartBench.class.getName(), "once")
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String output = new String(jvm.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (jvm.waitFor() != 0) {
            throw new IOException("the control plane did not start: " + output);
        }
        return Double.parseDouble(output.substring(output.indexOf(':') + 1).strip()) / 1000;
    }

    private static void write(double median) throws IOException {
        ObjectMapper json = new ObjectMapper();
        ObjectNode file = json.createObjectNode()
                .put("schema", 1)
                .put("command", "StartBench")
                .put("at",
                        Instant.now().toString());
        file.putObject("environment")
                .put("cores", Integer.toString(Runtime.getRuntime().availableProcessors()))
                .put("jdk", Runtime.version().toString());
        file.putArray("figures")
                .addObject()
                .put("name", "control_plane.start")
                .put("value", median)
                .put("unit", "s")
                .put("goal", GOAL_SECONDS)
                .put("better", "Lower");
        Path target = Files.createDirectories(Path.of("target", "figures")).resolve("control-plane-start.json");
        Files.writeString(target, json.writerWithDefaultPrettyPrinter().writeValueAsString(file) + "\n");
        System.out.println(Files.readString(target));
    }
}
