package dev.dormouse.cli;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.Measurement;
import dev.dormouse.cli.bench.ResultFolder;
import dev.dormouse.cli.bench.Summary;
import dev.dormouse.cli.bench.run.BenchPlan;
import dev.dormouse.cli.bench.run.Environment;
import dev.dormouse.cli.bench.run.JvmFacts;
import dev.dormouse.cli.bench.run.Kind;
import dev.dormouse.cli.bench.run.ModelBench;
import dev.dormouse.cli.bench.run.ModelRequest;
import dev.dormouse.cli.local.LocalCluster;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(name = "run", mixinStandardHelpOptions = true, description = "Measure fresh starts of copies of a model, on a local mode of its own or on the cluster of $KUBECONFIG.")
final class BenchRunCommand implements Callable<Integer> {
    /** Beyond this share of the mean the machine was not quiet, and medians say little (R28). */
    private static final double NOISY = 0.25;

    @Option(names = "--model", paramLabel = "FILE", description = "The model to copy. Default: docs/examples/minilm.yaml.")
    private @Nullable Path model;

    @Option(names = "--kinds", split = ",", defaultValue = "Cold,Restore,Gateway", paramLabel = "KIND", description = "${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
    private Set<Kind> kinds = Set.of();

    @Option(names = "--starts", defaultValue = "10", paramLabel = "N", description = "Fresh starts per kind. Default: ${DEFAULT-VALUE}.")
    private int starts;

    @Option(names = "--warmups", defaultValue = "1", paramLabel = "N", description = "Starts before them that do not count. Default: ${DEFAULT-VALUE}.")
    private int warmups;

    @Option(names = "--clients", defaultValue = "32", paramLabel = "N", description = "Clients that wake the model together in kind Load. Default: ${DEFAULT-VALUE}.")
    private int clients;

    @Option(names = "--requests", defaultValue = "100", paramLabel = "N", description = "Requests through and past the gateway. Default: ${DEFAULT-VALUE}.")
    private int requests;

    @Option(names = "--path", defaultValue = "/v1/embeddings", paramLabel = "PATH", description = "Default: ${DEFAULT-VALUE}.")
    private String path = "/v1/embeddings";

    @Option(names = "--body", defaultValue = "{\"input\": \"A dormouse sleeps for seven months.\"}", paramLabel = "JSON", description = "The request; the model's name is put in. Default: ${DEFAULT-VALUE}.")
    private String body = "{}";

    @Option(names = "--gateway", paramLabel = "URL", description = "Measure the cluster of $KUBECONFIG, whose gateway this is; the addresses of its pods must be reachable.")
    private @Nullable URI gateway;

    @Option(names = {"-n", "--namespace"}, defaultValue = "default", description = "Default: ${DEFAULT-VALUE}.")
    private String namespace = "default";

    @Option(names = "--ref", paramLabel = "NAME", description = "What this is a measurement of. Default: the revision of this checkout.")
    private @Nullable String ref;

    @Option(names = "--results", defaultValue = BenchCommand.FOLDER, paramLabel = "DIR", description = "Default: ${DEFAULT-VALUE}.")
    private Path results = Path.of(BenchCommand.FOLDER);

    @Spec
    private picocli.CommandLine.Model.@Nullable CommandSpec spec;

    private final Clock clock = Clock.systemUTC();

    @Override
    public Integer call() throws IOException, InterruptedException {
        BenchPlan plan;
        ModelRequest request;
        try {
            plan = new BenchPlan(kinds, starts, warmups, clients, requests);
            request = new ModelRequest(path, body);
        } catch (IllegalArgumentException e) {
            throw wrong(String.valueOf(e.getMessage()));
        }
        Path yaml = model == null ? Dormouse.home().resolve("docs/examples/minilm.yaml") : model;
        System.out.println("Running cold start benchmarks...\n" + "-".repeat(60));
        BenchResult result = gateway == null ? local(yaml, plan, request) : remote(gateway, yaml, plan, request);
        System.out.println();
        result.measurements().forEach(BenchRunCommand::print);
        result.notes().forEach(note -> System.out.println("note: " + note));
        System.out.println("\n" + new ResultFolder(results).save(result));
        return BenchCommand.FINE;
    }

    private BenchResult local(Path yaml, BenchPlan plan, ModelRequest request)
            throws IOException, InterruptedException {
        Path state = Files.createTempDirectory("dormouse-");
        try (Teardown teardown = new Teardown()) {
            LocalCluster cluster = teardown
                    .owns(LocalCluster.start(LocalCluster.Options.of(Dormouse.home(), state.resolve("s")), line -> {
                    }), state);
            JvmFacts jvms = new JvmFacts();
            try (ModelBench bench = new ModelBench(cluster.client(), cluster.gateway(), namespace,
                    read(yaml, cluster.client()), request, clock, System.out::println)) {
                Environment environment = Environment.here(Dormouse.home(), cluster.client());
                bench.withClaims((space, claim) -> Optional.of(cluster.claimFolder(space, claim))).visiting(pod -> {
                    environment.with(pod, cluster.client());
                    jvms.look("operator", cluster.operatorProcess().pid());
                    jvms.look("gateway", cluster.gatewayProcess().pid());
                    jvms.look("sidecar", sidecar());
                });
                String run = runId();
                Map<String, Measurement> measured = bench.run(run, plan);
                return result(run, environment, measured, jvms,
                        "page cache as the run left it: the snapshot was just written, so restores read from memory");
            }
        }
    }

    private BenchResult remote(URI url, Path yaml, BenchPlan plan, ModelRequest request)
            throws IOException, InterruptedException {
        try (KubernetesClient client = new KubernetesClientBuilder().build();
                ModelBench bench = new ModelBench(client, url, namespace, read(yaml, client), request, clock,
                        System.out::println)) {
            Environment environment = Environment.here(Dormouse.home(), client);
            bench.visiting(pod -> environment.with(pod, client));
            String run = runId();
            return result(run, environment, bench.run(run, plan), new JvmFacts(), "page cache of the nodes unknown");
        }
    }

    private BenchResult result(String run, Environment environment, Map<String, Measurement> measured, JvmFacts jvms,
            String pageCache) {
        List<String> notes = new ArrayList<>(List.of(pageCache));
        measured.forEach((key, measurement) -> {
            Summary summary = measurement.summary();
            if (key.endsWith(".total") && summary.variation() > NOISY) {
                notes.add(String.format(Locale.ROOT,
                        "%s varies by %.0f %% of its mean (%.0f to %.0f %s): the machine was not quiet", key,
                        summary.variation() * 100, summary.min(), summary.max(), measurement.unit()));
            }
        });
        return new BenchResult(BenchResult.SCHEMA, run, clock.instant().toString(),
                ref == null ? environment.revision() : ref, commandLine(), environment.facts(), measured, jvms.counts(),
                jvms.lazy(), notes);
    }

    private static void print(String key, Measurement measurement) {
        Summary summary = measurement.summary();
        System.out.printf(Locale.ROOT, "%-30s mean %10.2f  median %10.2f  p95 %10.2f  stddev %9.2f %s (n %d)%n", key,
                summary.mean(), summary.median(), summary.p95(), summary.stddev(), measurement.unit(), summary.n());
    }

    private GenericKubernetesResource read(Path yaml, KubernetesClient client) throws IOException {
        try (var in = Files.newInputStream(yaml)) {
            return client.load(in)
                    .items()
                    .stream()
                    .filter(object -> object.getKind().equals("InferenceModel"))
                    .map(object -> client.getKubernetesSerialization()
                            .convertValue(object, GenericKubernetesResource.class))
                    .findFirst()
                    .orElseThrow(() -> wrong(yaml + " holds no InferenceModel"));
        }
    }

    /** Of the one pod that is awake: local mode runs it below this JVM. */
    private static long sidecar() throws IOException {
        return ProcessHandle.current()
                .descendants()
                .filter(process -> process.info().commandLine().orElse("").contains("AgentMain"))
                .mapToLong(ProcessHandle::pid)
                .findFirst()
                .orElseThrow(() -> new IOException("the sidecar's process is not found"));
    }

    private String commandLine() {
        return "dormouse bench run --kinds " + String.join(",", kinds.stream().map(Kind::name).sorted().toList())
                + " --starts " + starts + " --warmups " + warmups;
    }

    private static String runId() {
        return UUID.randomUUID().toString().substring(0, 8);
    }

    private ParameterException wrong(String message) {
        if (spec == null) {
            throw new IllegalStateException("picocli injects the spec before call()");
        }
        return new ParameterException(spec.commandLine(), message);
    }
}
