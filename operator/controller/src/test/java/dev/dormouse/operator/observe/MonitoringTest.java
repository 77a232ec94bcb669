package dev.dormouse.operator.observe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.api.v1alpha1.ModelStatus.LastWake;
import dev.dormouse.api.v1alpha1.ModelStatus.Phase;
import dev.dormouse.api.v1alpha1.ModelStatus.Wakes;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.warmup.RoomLimits;
import dev.dormouse.domain.warmup.WarmupLimits;
import dev.dormouse.operator.MovableClock;
import dev.dormouse.operator.warmup.WarmupQueue;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/** Metrics, and what is built on them: the dashboard, the alerts, the document. */
class MonitoringTest {
    private static final Path FOLDER = Path.of("../../helm/dormouse/monitoring");
    private static final Pattern NAME = Pattern.compile("\\bdormouse_[a-z0-9_]+");
    private static final ModelKey MODEL = new ModelKey("team", "m");

    @Test
    @DisplayName("H52, H53, H56, H57: wakes by model and rung, the fraction of cold ones, p95, phases")
    void wakesAreCountedByRung() {
        String scrape = exercised().scrape();

        assertThat(scrape).contains("dormouse_cold_start_seconds_count{model=\"m\",namespace=\"team\",rung=\"Cold\"} 1",
                "dormouse_cold_start_seconds_bucket{model=\"m\",namespace=\"team\",rung=\"Cold\",le=\"0.5\"} 1",
                "dormouse_cold_start_seconds_bucket{model=\"m\",namespace=\"team\",rung=\"Cold\",le=\"0.25\"} 0",
                "dormouse_cold_start_fraction{model=\"m\",namespace=\"team\"} 0.5",
                "dormouse_cold_start_p95_seconds{model=\"m\",namespace=\"team\"} 0.4",
                "dormouse_warmup_phase_seconds_sum{model=\"m\",namespace=\"team\",phase=\"weight_load\"} 7.0E-4",
                "dormouse_models{ready=\"True\",reason=\"Serving\"} 1", "dormouse_pool_gpus{pool=\"a100\"} 4",
                "dormouse_snapshots{state=\"Usable\"} 2", "dormouse_leader 1", "dormouse_informers_healthy 1")
                .doesNotContain("phase=\"pool_alloc\"");
    }

    @Test
    @DisplayName("H73: the series of a model go with it")
    void theSeriesOfAModelGoWithIt() {
        OperatorMetrics metrics = exercised();

        metrics.forget(MODEL);

        assertThat(metrics.scrape()).doesNotContain("model=\"m\"").doesNotContain("Serving");
    }

    @Test
    void everyMetricOfDashboardAlertsAndDocumentExistsAndIsDocumented() throws IOException {
        Set<String> real = names(exercised().scrape());
        Set<String> documented = names(Files.readString(Path.of("../../docs/monitoring.md")));

        for (String expression : expressions()) {
            assertThat(real).as(expression).containsAll(names(expression));
        }
        assertThat(stems(real)).isEqualTo(stems(documented));
    }

    @Test
    void everyAlertIsDocumented() throws IOException {
        String document = Files.readString(Path.of("../../docs/monitoring.md"));
        for (JsonNode rule : rules()) {
            assertThat(document).contains(rule.path("alert").asText());
            assertThat(rule.at("/annotations/summary").asText()).isNotBlank();
            assertThat(rule.at("/annotations/description").asText()).isNotBlank();
        }
    }

    @Test
    void promtoolAcceptsTheRulesAndTheirTests() throws Exception {
        Optional<Path> promtool = Stream
                .of(String.valueOf(System.getProperty("promtool.path", System.getProperty("java.library.path", ""))
                        + ":/usr/bin:/usr/local/bin").split(File.pathSeparator))
                .map(folder -> Path.of(folder, "promtool"))
                .filter(Files::isExecutable)
                .findFirst();
        assumeTrue(promtool.isPresent(), "promtool (Debian package prometheus) is not there");
        for (List<String> command : List.of(List.of("check", "rules", "alerts.yaml"),
                List.of("test", "rules", "alerts-test.yaml"))) {
            List<String> all = new ArrayList<>(List.of(promtool.get().toString()));
            all.addAll(command);
            Process process = new ProcessBuilder(all).directory(FOLDER.toFile()).redirectErrorStream(true).start();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).as(output).isZero();
        }
    }

    @Test
    @DisplayName("A watch that is dead for two minutes ends the process's liveness; one that recovers does not")
    void aDeadWatchEndsLiveness() {
        AtomicBoolean running = new AtomicBoolean(true);
        MovableClock clock = new MovableClock();
        Liveness liveness = new Liveness(running::get, Duration.ofMinutes(2), clock);

        assertThat(liveness.getAsBoolean()).isTrue();
        running.set(false);
        assertThat(liveness.getAsBoolean()).isTrue();
        clock.advance(Duration.ofSeconds(100));
        assertThat(liveness.getAsBoolean()).isTrue();
        running.set(true);
        assertThat(liveness.getAsBoolean()).isTrue();
        running.set(false);
        assertThat(liveness.getAsBoolean()).isTrue();
        clock.advance(Duration.ofSeconds(121));
        assertThat(liveness.getAsBoolean()).isFalse();
    }

    private static OperatorMetrics exercised() {
        OperatorMetrics metrics = new OperatorMetrics();
        WarmupQueue queue = new WarmupQueue(WarmupLimits.ofConcurrent(1), new MovableClock(), model -> {
        });
        queue.observe("a100", WarmupLimits.ofConcurrent(1),
                new RoomLimits(true, "a100", "nvidia.com/gpu", Map.of("n", 4), 0));
        metrics.watch(queue);
        metrics.watchLeader(() -> true);
        metrics.watchInformers(() -> true);
        metrics.watchSnapshots(() -> Map.of("Usable", 2));
        metrics.reconciled(Duration.ofMillis(3));
        metrics.woke(MODEL, new LastWake("2026-01-01T00:00:00.000000Z", "Cold", 400L, null, null, null, "p"),
                List.of(new Phase("weight_load", "Done", 700L, null), new Phase("pool_alloc", "Skipped", 0L, null)));
        metrics.quarantined(MODEL);
        ModelStatus status = new ModelStatus();
        status.wakes = new Wakes(2L, 1L, 0.5, 400L, List.of(100L, 400L));
        metrics.told(MODEL, "True", "Serving", status);
        return metrics;
    }

    private static List<String> expressions() throws IOException {
        List<String> all = new ArrayList<>();
        rules().forEach(rule -> all.add(rule.path("expr").asText()));
        JsonNode dashboard = new ObjectMapper().readTree(FOLDER.resolve("dashboard.json").toFile());
        dashboard.path("panels")
                .forEach(panel -> panel.path("targets").forEach(target -> all.add(target.path("expr").asText())));
        assertThat(all).hasSizeGreaterThan(20);
        return all;
    }

    private static JsonNode rules() throws IOException {
        return new YAMLMapper().readTree(FOLDER.resolve("alerts.yaml").toFile()).at("/groups/0/rules");
    }

    private static Set<String> names(String text) {
        Set<String> names = new TreeSet<>();
        for (Matcher matcher = NAME.matcher(text); matcher.find();) {
            names.add(matcher.group());
        }
        return names;
    }

    /** Without what a histogram's series add to its name. */
    private static Set<String> stems(Set<String> names) {
        Set<String> stems = new TreeSet<>();
        names.forEach(name -> stems.add(name.replaceFirst("(_bucket|_count|_sum|_max)$", "")));
        return stems;
    }
}
