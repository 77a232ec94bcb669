package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.dormouse.cluster.EmbeddedControlPlane;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Our charts with the Helm versions that {@code .ci/tools} fetches: linted, rendered over the value sets of
 * {@code helm/dormouse/ci}, every object dry-run by the server, installed, upgraded, rolled back and removed.
 */
@ParameterizedClass
@MethodSource("tools")
class ChartIT {
    private static final Path HOME = Path.of(System.getProperty("dormouse.home"));
    private static final Path TOOLS = HOME.resolve("target/tools");
    private static final Path RBAC = HOME.resolve("e2e/cli/src/main/resources/dev/dormouse/cli/local/rbac.yaml");

    /** Holds one Helm and one kubectl. */
    @Parameter
    private Path tools = TOOLS;

    @TempDir
    private Path folder;

    private record Output(int code, String text) {}

    static List<Path> tools() throws IOException {
        if (!Files.isDirectory(TOOLS)) {
            return List.of(TOOLS);
        }
        try (Stream<Path> versions = Files.list(TOOLS)) {
            // Other clients' tools lie beside them.
            return versions.filter(version -> Files.isExecutable(version.resolve("helm"))).sorted().toList();
        }
    }

    @BeforeAll
    static void needsHelm() {
        assumeTrue(Files.isDirectory(TOOLS), "no Helm: run .ci/tools first");
    }

    @Test
    void bothChartsAreLinted() throws Exception {
        for (Path values : valueSets()) {
            ok("helm", "lint", "--strict", "helm/dormouse", "-f", values.toString());
        }
        ok("helm", "lint", "--strict", "helm/dormouse-crds");
    }

    @Test
    void theServerAcceptsEveryObjectOfEveryValueSet() throws Exception {
        try (EmbeddedControlPlane cluster = EmbeddedControlPlane.start(folder.resolve("state"))) {
            Path kubeconfig = cluster.kubeconfig();
            for (String namespace : List.of("team-a", "team-b", "team-c")) {
                ok("kubectl", "--kubeconfig", kubeconfig.toString(), "create", "namespace", namespace);
            }
            List<Path> rendered = new ArrayList<>();
            for (Path values : valueSets()) {
                rendered.add(render(values.getFileName().toString(), "helm/dormouse", "-f", values.toString()));
            }
            rendered.add(render("crds", "helm/dormouse-crds"));
            for (Path yaml : rendered) {
                assertThat(ok("kubectl", "--kubeconfig", kubeconfig.toString(), "apply", "--server-side",
                        "--dry-run=server", "--validate=strict", "-f", yaml.toString()))
                        .doesNotContain("Warning");
            }
        }
    }

    @Test
    void aWrongValueIsRefusedByItsName() throws Exception {
        for (String wrong : List.of("gateway.replicsa=2", "operator.replicas=many", "gateway.service.type=Ingress",
                "watchNamespaces={Team_A}", "operator.scrapeMillis=5")) {
            Output output = run("helm", "template", "x", "helm/dormouse", "--set", wrong);

            assertThat(output.code()).as(wrong).isNotZero();
            String field = wrong.substring(0, wrong.indexOf('='));
            assertThat(output.text()).contains(field.substring(field.lastIndexOf('.') + 1));
        }
    }

    @Test
    void aReleaseIsInstalledUpgradedRolledBackAndRemovedAndTheModelsStay() throws Exception {
        try (EmbeddedControlPlane cluster = EmbeddedControlPlane.start(folder.resolve("state"))) {
            String kubeconfig = cluster.kubeconfig().toString();
            ok("helm", "--kubeconfig", kubeconfig, "install", "types", "helm/dormouse-crds", "--wait");
            ok("kubectl", "--kubeconfig", kubeconfig, "apply", "-f", "docs/examples/minilm.yaml");
            assertThat(ok("helm", "--kubeconfig", kubeconfig, "install", "dormouse", "helm/dormouse", "-n",
                    "dormouse-system")).contains("STATUS: deployed", "kubectl apply -f docs/examples/minilm.yaml");

            ok("helm", "--kubeconfig", kubeconfig, "upgrade", "dormouse", "helm/dormouse", "-n", "dormouse-system",
                    "--set", "gateway.replicas=5");
            assertThat(replicas(kubeconfig)).isEqualTo("5");
            ok("helm", "--kubeconfig", kubeconfig, "rollback", "dormouse", "1", "-n", "dormouse-system");
            assertThat(replicas(kubeconfig)).isEqualTo("2");
            assertThat(ok("helm", "--kubeconfig", kubeconfig, "history", "dormouse", "-n", "dormouse-system"))
                    .contains("Rollback to 1");

            ok("helm", "--kubeconfig", kubeconfig, "uninstall", "dormouse", "-n", "dormouse-system");
            assertThat(ok("kubectl", "--kubeconfig", kubeconfig, "get",
                    "deploy,svc,sa,role,rolebinding,pdb,clusterrole,clusterrolebinding", "-A", "-o", "name"))
                    .doesNotContain("dormouse");
            assertThat(ok("helm", "--kubeconfig", kubeconfig, "uninstall", "types")).contains("kept");
            assertThat(ok("kubectl", "--kubeconfig", kubeconfig, "get", "im", "-o", "name")).contains("minilm");
        }
    }

    /** Local mode runs operator and gateway under the chart's roles; without Helm it needs them as a file. */
    @Test
    void localModeGrantsWhatTheChartGrants() throws Exception {
        assumeTrue(tools.equals(tools().getLast()), "one version writes the file");
        Path rendered = render("rbac", "helm/dormouse", "-n", "dormouse-system", "-s", "templates/serviceaccounts.yaml",
                "-s", "templates/rbac.yaml");
        String wanted = "# The chart's ServiceAccounts and roles; rewrite with: mvn verify -pl e2e/tests -am -Dit.test=ChartIT -Dchart.update\n"
                + Files.readString(rendered);
        if (System.getProperty("chart.update") != null) {
            Files.writeString(RBAC, wanted);
        }

        assertThat(RBAC).as("rewrite it with -Dchart.update").hasContent(wanted);
    }

    private String replicas(String kubeconfig) throws Exception {
        return ok("kubectl", "--kubeconfig", kubeconfig, "get", "deploy", "dormouse-gateway", "-n", "dormouse-system",
                "-o", "jsonpath={.spec.replicas}");
    }

    private static List<Path> valueSets() throws IOException {
        try (Stream<Path> files = Files.list(HOME.resolve("helm/dormouse/ci"))) {
            List<Path> sets = files.sorted().toList();
            assertThat(sets).hasSizeGreaterThanOrEqualTo(12);
            return sets;
        }
    }

    private Path render(String name, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("helm", "template", "dormouse"));
        command.addAll(List.of(arguments));
        return Files.writeString(folder.resolve(name + "-rendered.yaml"), ok(command.toArray(String[]::new)));
    }

    private String ok(String... command) throws Exception {
        Output output = run(command);
        assertThat(output.code()).as("%s: %s", List.of(command), output.text()).isZero();
        return output.text();
    }

    private Output run(String... command) throws IOException, InterruptedException {
        List<String> all = new ArrayList<>(List.of(command));
        all.set(0, tools.resolve(command[0]).toString());
        Path out = Files.createTempFile(folder, "out", ".txt");
        ProcessBuilder builder = new ProcessBuilder(all).directory(HOME.toFile())
                .redirectErrorStream(true)
                .redirectOutput(out.toFile());
        builder.environment().put("HELM_CACHE_HOME", folder.resolve("cache").toString());
        builder.environment().put("HELM_CONFIG_HOME", folder.resolve("config").toString());
        builder.environment().put("HELM_DATA_HOME", folder.resolve("data").toString());
        builder.environment().put("HOME", Objects.toString(folder.toAbsolutePath()));
        Process process = builder.start();
        assertThat(process.waitFor(120, TimeUnit.SECONDS)).as("%s ends", all).isTrue();
        return new Output(process.exitValue(), Files.readString(out));
    }
}
