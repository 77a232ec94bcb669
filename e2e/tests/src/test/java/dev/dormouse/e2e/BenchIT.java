package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;

/** {@code dormouse bench}, as a user types it: a process of its own that measures a local mode of its own. */
@EnabledIfSystemProperty(named = "slow", matches = "true", disabledReason = "takes a minute: .ci/run runs it, with -Dslow=true")
@Isolated
class BenchIT {
    private static final Path HOME = Path.of(System.getProperty("dormouse.home"));
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    Path folder;

    @Test
    @DisplayName("R1, R3–R9, R11, R29, R35, BR1, H52–H57: fresh starts of each kind, said as they happen, written by the schema and as the latest")
    void measuresFreshStarts() throws Exception {
        Run run = bench("run", "--kinds", "Cold,Restore,Gateway,Scheduler", "--starts", "1", "--warmups", "0",
                "--requests", "5", "--wakes", "2", "--ref", "it", "--results", folder.toString());

        assertThat(run.exit()).as(run.output()).isZero();
        assertThat(run.output()).startsWith("Running cold start benchmarks...\n" + "-".repeat(60))
                .containsPattern("cold     1/1: [0-9,.]+ ms\n")
                .containsPattern("restore  1/1: [0-9,.]+ ms\n")
                .contains("gateway  5 requests through it, 5 past it")
                .contains("scheduler 2 wakes at once")
                .containsPattern("restore.total +mean +[0-9.]+");
        JsonNode latest = JSON.readTree(folder.resolve("bench_latest.json").toFile());
        JsonNode schema = JSON.readTree(HOME.resolve("docs/bench-result.schema.json").toFile());
        assertThat(JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012).getSchema(schema).validate(latest))
                .isEmpty();
        assertThat(timestamped()).singleElement()
                .satisfies(file -> assertThat(JSON.readTree(file.toFile())).isEqualTo(latest));
        assertThat(latest.at("/ref").asText()).isEqualTo("it");
        assertThat(latest.at("/command").asText()).startsWith("dormouse bench run --kinds Cold,Restore");
        assertThat(names(latest.at("/measurements"))).contains("cold.total", "cold.weight_load", "cold.of_plain_read",
                "restore.total", "restore.request_to_decision", "restore.decision_to_pod", "restore.pod_to_node",
                "restore.node_to_sidecar", "restore.outside_phases", "restore.weight_load", "restore.ready_to_answer",
                "restore.first_inference", "restore.rate", "restore.of_plain_read", "restore.of_memory_copy",
                "restore.to_cold", "gateway.through", "gateway.direct", "gateway.through_to_direct",
                "scheduler.demand_to_pod", "scheduler.to_status_apply", "scheduler.all_at_once");
        assertThat(latest.at("/measurements/restore.bytes/samples/0").asLong()).isGreaterThan(80_000_000);
        assertThat(names(latest.at("/counts"))).contains("operator.classes", "operator.classes.own",
                "operator.modules", "sidecar.classes", "sidecar.packages.own", "snapshot.buffers", "pod.containers");
        assertThat(latest.at("/lazy/sidecar.jcuda").asBoolean()).isTrue();
        assertThat(names(latest.at("/environment"))).contains("cores", "node", "gpu", "gpu.driver", "engine.image",
                "kubernetes", "java", "os", "page_cache", "page_cache.snapshot", "revision");

        Path own = timestamped().getFirst();
        assertThat(bench("compare", own.toString(), folder.resolve("bench_latest.json").toString()).exit())
                .as("a run and its own copy")
                .isEqualTo(2);
        assertThat(bench("check", "--targets", HOME.resolve("e2e/bench/targets.yaml").toString(), own.toString())
                .output()).contains("restore.to_cold").doesNotContain("not measured");
    }

    @Test
    @DisplayName("BR1, BR2: a start that fails is no sample; the bench says why, with the last lines of the engine, and ends with 2")
    void aFailingStartIsNamed() throws Exception {
        Path script = Files.writeString(folder.resolve("engine.sh"), "echo no such weights; exit 3\n");
        Path model = Files.writeString(folder.resolve("model.yaml"), """
                                                                     apiVersion: dormouse.dev/v1alpha1
                                                                     kind: InferenceModel
                                                                     metadata: {name: broken}
                                                                     spec:
                                                                       model: {uri: pvc://models/all-minilm-l6-v2}
                                                                       engine: {image: broken}
                                                                     """);
        Path results = folder.resolve("results");

        Run run = bench("run", "--model", model.toString(), "--image", "broken=sh " + script, "--kinds", "Cold",
                "--starts", "1", "--warmups", "0", "--timeout", "6", "--results", results.toString());

        assertThat(run.exit()).as(run.output()).isEqualTo(2);
        assertThat(run.output()).contains("no such weights").contains("dormouse bench run: ");
        assertThat(results).doesNotExist();
    }

    private record Run(int exit, String output) {}

    private static Run bench(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:+UseSerialGC", "-Xmx512m",
                "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow", "-Ddormouse.home=" + HOME, "-cp",
                HOME.resolve("e2e/cli/target/app") + "/*", "dev.dormouse.cli.Dormouse", "bench"));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(process.waitFor(), output);
    }

    private List<Path> timestamped() throws Exception {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().matches("bench_\\d.*\\.json")).toList();
        }
    }

    private static List<String> names(JsonNode object) {
        return object.propertyStream().map(Map.Entry::getKey).toList();
    }
}
