package dev.dormouse.cli;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.Measurement;
import dev.dormouse.cli.bench.ResultFolder;
import dev.dormouse.cli.bench.Summary;
import dev.dormouse.cli.bench.run.BenchPlan;
import dev.dormouse.cli.bench.run.BenchPlan.PageCache;
import dev.dormouse.cli.bench.run.BenchSession;
import dev.dormouse.cli.bench.run.Kind;
import dev.dormouse.cli.bench.run.ModelRequest;
import dev.dormouse.cli.local.LocalCluster;
import dev.dormouse.cli.local.LocalOptions;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What every command that measures has in common: what to measure, how often, where, and where the result goes. */
final class BenchOptions {
    /** What {@code --cluster} may say. */
    private enum Cluster {
        embedded, binaries, kubeconfig
    }

    @Option(names = "--model", paramLabel = "FILE", description = "The model to copy. Default: docs/examples/minilm.yaml.")
    private @Nullable Path model;

    @Option(names = "--models", paramLabel = "DIR", description = "Local mode: folders of models that the claim \"models\" shows beside its own.")
    private @Nullable Path models;

    @Option(names = "--image", paramLabel = "NAME=COMMAND", description = "Local mode: what else an image name means: a local command. Repeatable.")
    private Map<String, String> images = Map.of();

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

    @Option(names = "--wakes", defaultValue = "20", paramLabel = "N", description = "Wakes in kind Scheduler. Default: ${DEFAULT-VALUE}.")
    private int wakes;

    @Option(names = "--page-cache", defaultValue = "Keep", paramLabel = "Keep|Drop", description = "Drop: the model's and the snapshot's files are dropped from the page cache before each start; local mode only. Default: ${DEFAULT-VALUE}.")
    private PageCache pageCache = PageCache.Keep;

    @Option(names = "--timeout", defaultValue = "600", paramLabel = "SECONDS", description = "A start that takes longer is an error. Default: ${DEFAULT-VALUE}.")
    private int timeout;

    @Option(names = "--path", defaultValue = "/v1/embeddings", paramLabel = "PATH", description = "Default: ${DEFAULT-VALUE}.")
    private String path = "/v1/embeddings";

    @Option(names = "--body", defaultValue = "{\"input\": \"A dormouse sleeps for seven months.\"}", paramLabel = "JSON", description = "The request; the model's name is put in. Default: ${DEFAULT-VALUE}.")
    private String body = "{}";

    @Option(names = "--cluster", defaultValue = "embedded", paramLabel = "embedded|binaries|kubeconfig", description = "embedded: a local mode of its own. binaries: the same on a real kube-apiserver, with --binaries. kubeconfig: the cluster of $KUBECONFIG, with --gateway. Default: ${DEFAULT-VALUE}.")
    private Cluster cluster = Cluster.embedded;

    @Option(names = "--gateway", paramLabel = "URL", description = "The gateway of the cluster of $KUBECONFIG; the addresses of its pods must be reachable.")
    private @Nullable URI gateway;

    @Option(names = {"-n", "--namespace"}, defaultValue = "default", description = "Default: ${DEFAULT-VALUE}.")
    private String namespace = "default";

    @Option(names = "--results", defaultValue = BenchCommand.FOLDER, paramLabel = "DIR", description = "Default: ${DEFAULT-VALUE}.")
    private Path results = Path.of(BenchCommand.FOLDER);

    @Mixin
    private final BinariesOptions binaries = new BinariesOptions();

    @Spec(Spec.Target.MIXEE)
    private @Nullable CommandSpec spec;

    private final Clock clock = Clock.systemUTC();

    /**
     * What one session measures.
     *
     * @param home the checkout whose builds run
     * @param image in place of the model's engine image; absent to leave it
     */
    record Candidate(String ref, Path home, @Nullable String image) {}

    /** Runs all candidates in turn, each start of one after the same start of the others; results in their order. */
    List<BenchResult> measure(List<Candidate> candidates, Teardown teardown) throws IOException, InterruptedException {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "error"); // progress is ours to print
        if (gateway == null && cluster == Cluster.kubeconfig) {
            throw wrong("--cluster kubeconfig needs --gateway, its gateway's URL");
        }
        if (binaries.given() != (cluster == Cluster.binaries)) {
            throw wrong("--cluster binaries and --binaries DIR, the folder of the binaries, go together");
        }
        Plan plan = plan();
        System.out.println("Running cold start benchmarks...\n" + "-".repeat(60));
        Map<Path, LocalCluster> clusters = new HashMap<>();
        List<BenchSession> sessions = new java.util.ArrayList<>();
        for (Candidate candidate : candidates) {
            Consumer<String> say = candidates.size() == 1
                    ? System.out::println
                    : line -> System.out.printf("%-16s %s%n", candidate.ref(), line);
            sessions.add(teardown.owns(gateway == null
                    ? local(candidate, plan, clusters, say, teardown)
                    : remote(gateway, candidate, plan, say, teardown)));
        }
        BenchSession.inTurn(sessions);
        return sessions.stream().map(session -> session.result(commandLine())).toList();
    }

    private BenchSession local(Candidate candidate, Plan plan, Map<Path, LocalCluster> clusters,
            Consumer<String> say, Teardown teardown) throws IOException, InterruptedException {
        LocalCluster running = clusters.get(candidate.home());
        if (running == null) {
            running = start(candidate.home(), teardown);
            clusters.put(candidate.home(), running);
        }
        return BenchSession.local(subject(candidate, plan, running.client()), running, namespace, clock, say);
    }

    private LocalCluster start(Path home, Teardown teardown) throws IOException, InterruptedException {
        Path state = Files.createTempDirectory("dormouse-");
        LocalOptions options = LocalOptions.of(home, state.resolve("s"))
                .withControlPlane(binaries.controlPlane());
        for (Map.Entry<String, String> image : images.entrySet()) {
            options = options.withImage(image.getKey(), Arrays.asList(image.getValue().trim().split("\\s+")));
        }
        if (kinds.contains(Kind.Scheduler)) {
            options = options.withOperatorSetting("DORMOUSE_WARMUP_MAX_CONCURRENT", Integer.toString(wakes + 4));
        }
        LocalCluster started = teardown.owns(LocalCluster.start(options, line -> {
        }), state);
        if (models != null) {
            show(models, started.claimFolder("default", "models"));
        }
        return started;
    }

    private static void show(Path folder, Path claim) throws IOException {
        try (Stream<Path> each = Files.list(folder)) {
            for (Path one : each.filter(Files::isDirectory).toList()) {
                Path link = claim.resolve(one.getFileName());
                if (!Files.exists(link)) {
                    Files.createSymbolicLink(link, one.toAbsolutePath());
                }
            }
        }
    }

    private BenchSession remote(URI url, Candidate candidate, Plan plan, Consumer<String> say, Teardown teardown)
            throws IOException, InterruptedException {
        KubernetesClient client = teardown.owns(new KubernetesClientBuilder().build());
        return BenchSession.remote(subject(candidate, plan, client), client, url, namespace, clock, say);
    }

    private BenchSession.Subject subject(Candidate candidate, Plan plan, KubernetesClient client) throws IOException {
        return new BenchSession.Subject(candidate.ref(), candidate.home(), read(client, candidate.image()),
                plan.request(), plan.bench());
    }

    private record Plan(BenchPlan bench, ModelRequest request) {}

    /** Before anything is started: what cannot be measured is said at once. */
    private Plan plan() {
        if (pageCache == PageCache.Drop && gateway != null) {
            throw wrong("--page-cache Drop: the page cache of a cluster's nodes is not ours to drop");
        }
        try {
            return new Plan(new BenchPlan(kinds, starts, warmups, clients, requests, wakes, pageCache,
                    Duration.ofSeconds(timeout)), new ModelRequest(path, body));
        } catch (IllegalArgumentException e) {
            throw wrong(String.valueOf(e.getMessage()));
        }
    }

    private GenericKubernetesResource read(KubernetesClient client, @Nullable String image) throws IOException {
        Path yaml = model == null ? Dormouse.home().resolve("docs/examples/minilm.yaml") : model;
        try (var in = Files.newInputStream(yaml)) {
            GenericKubernetesResource read = client.load(in)
                    .items()
                    .stream()
                    .filter(object -> object.getKind().equals("InferenceModel"))
                    .map(object -> client.getKubernetesSerialization()
                            .convertValue(object, GenericKubernetesResource.class))
                    .findFirst()
                    .orElseThrow(() -> wrong(yaml + " holds no InferenceModel"));
            if (image != null && read.get("spec", "engine") instanceof Map<?, ?> engine) {
                @SuppressWarnings("unchecked") // the keys of a JSON object
                Map<String, Object> fields = (Map<String, Object>) engine;
                fields.put("image", image);
            }
            return read;
        } catch (java.nio.file.NoSuchFileException e) {
            throw wrong("--model " + yaml + ": no such file");
        }
    }

    Path results() {
        return results;
    }

    /** Prints a result and writes it: there is no way to measure without a record (R35). */
    Path save(BenchResult result) throws IOException {
        System.out.println("\n" + result.ref());
        result.measurements().forEach(BenchOptions::print);
        result.notes().forEach(note -> System.out.println("note: " + note));
        Path file = new ResultFolder(results).save(result);
        System.out.println(file);
        return file;
    }

    private static void print(String key, Measurement measurement) {
        Summary summary = measurement.summary();
        System.out.printf(Locale.ROOT, "%-30s mean %10.2f  median %10.2f  p95 %10.2f  stddev %9.2f %s (n %d)%n", key,
                summary.mean(), summary.median(), summary.p95(), summary.stddev(), measurement.unit(), summary.n());
    }

    private String commandLine() {
        if (spec == null) {
            throw new IllegalStateException("picocli injects the spec");
        }
        return spec.root().name() + " "
                + String.join(" ", spec.commandLine().getParseResult().originalArgs());
    }

    private ParameterException wrong(String message) {
        if (spec == null) {
            throw new IllegalStateException("picocli injects the spec");
        }
        return new ParameterException(spec.commandLine(), message);
    }
}
