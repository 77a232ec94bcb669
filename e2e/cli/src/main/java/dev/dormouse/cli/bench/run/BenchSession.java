package dev.dormouse.cli.bench.run;

import dev.dormouse.cli.bench.BenchResult;
import dev.dormouse.cli.bench.Measurement;
import dev.dormouse.cli.bench.Summary;
import dev.dormouse.cli.local.LocalCluster;
import dev.dormouse.sidecar.store.SnapshotStore;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
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
import java.util.UUID;
import java.util.function.Consumer;

/** One subject's run, from its first start to its result. Several of them may be taken in turn. */
public final class BenchSession implements AutoCloseable {
    /** Beyond this share of the mean the machine was not quiet, and medians say little (R28). */
    private static final double NOISY = 0.25;

    private final String run = UUID.randomUUID().toString().substring(0, 8);
    private final Subject subject;
    private final Site site;
    private final Environment environment;
    private final JvmFacts jvms = new JvmFacts();
    private final ModelBench bench;
    private final List<String> notes = new ArrayList<>();

    /**
     * What is measured.
     *
     * @param ref its name: a revision, a branch, an image
     * @param home the checkout it was built in
     */
    public record Subject(String ref, Path home, GenericKubernetesResource model, ModelRequest request,
            BenchPlan plan) {}

    private BenchSession(Subject subject, Site site) throws InterruptedException {
        this.subject = subject;
        this.site = site;
        this.environment = Environment.here(subject.home(), site.client());
        this.bench = new ModelBench(site, run, subject.model(), subject.request(), subject.plan());
    }

    /** On a local cluster that runs, and whose processes can be looked into. */
    public static BenchSession local(Subject subject, LocalCluster cluster, String namespace, Clock clock,
            Consumer<String> say) throws InterruptedException {
        BenchSession session = new BenchSession(subject, new Site(cluster.client(), cluster.gateway(), namespace,
                (space, claim) -> Optional.of(cluster.claimFolder(space, claim)).filter(Files::isDirectory), true,
                clock,
                say));
        session.bench.visiting(pod -> session.look(pod, cluster));
        return session;
    }

    /** On somebody's cluster, where the addresses of pods must be reachable. */
    public static BenchSession remote(Subject subject, KubernetesClient client, URI gateway, String namespace,
            Clock clock, Consumer<String> say) throws InterruptedException {
        BenchSession session = new BenchSession(subject,
                new Site(client, gateway, namespace, (space, claim) -> Optional.empty(), false, clock, say));
        session.bench.visiting(session::look);
        session.notes.add("page cache of the nodes unknown");
        return session;
    }

    /** Takes every step of each session, in turn: the first of all, the second of all … */
    public static void inTurn(List<BenchSession> sessions) throws IOException, InterruptedException {
        List<List<Step>> steps = sessions.stream().map(session -> session.bench.steps()).toList();
        for (int i = 0; i < steps.getFirst().size(); i++) {
            for (List<Step> each : steps) {
                each.get(i).take();
            }
        }
    }

    private void look(Pod pod) {
        environment.with(pod, site.client());
        jvms.count("pod.containers",
                pod.getStatus().getContainerStatuses().size() + pod.getStatus().getInitContainerStatuses().size());
    }

    private void look(Pod pod, LocalCluster cluster) throws IOException, InterruptedException {
        look(pod);
        jvms.look("sidecar", sidecar(subject.home())); // First: it may be about to sleep.
        jvms.look("operator", cluster.operatorProcess().pid());
        jvms.look("gateway", cluster.gatewayProcess().pid());
        Optional<Path> volume = site.claims()
                .folder(site.namespace(), pod.getMetadata().getLabels().get("dormouse.dev/model") + "-snapshots");
        if (volume.isPresent()) {
            SnapshotStore.visit(volume.get(), site.clock())
                    .list()
                    .snapshots()
                    .stream()
                    .findFirst()
                    .ifPresent(
                            snapshot -> {
                                jvms.count("snapshot.buffers", snapshot.buffers().size());
                                jvms.count("snapshot.bytes", snapshot.rawBytes());
                            });
        }
    }

    /** Of the one pod of this checkout that is awake: local mode runs it below this JVM. */
    private static long sidecar(Path home) throws IOException {
        return ProcessHandle.current()
                .descendants()
                .filter(process -> process.info()
                        .commandLine()
                        .filter(line -> line.contains("AgentMain") && line.contains(home + "/"))
                        .isPresent())
                .mapToLong(ProcessHandle::pid)
                .findFirst()
                .orElseThrow(() -> new IOException("the sidecar's process is not found"));
    }

    /** @param command what to type to measure again */
    public BenchResult result(String command) {
        Map<String, Measurement> measured = bench.measurements();
        notes.addAll(noise(measured));
        environment.with(bench.pageCache());
        return new BenchResult(BenchResult.SCHEMA, run, site.clock().instant().toString(), subject.ref(), command,
                environment.facts(), measured, jvms.counts(), jvms.lazy(), notes);
    }

    /** A sentence for each total whose samples lie too far apart. */
    static List<String> noise(Map<String, Measurement> measured) {
        List<String> sentences = new ArrayList<>();
        measured.forEach((key, measurement) -> {
            Summary summary = measurement.summary();
            if (key.endsWith(".total") && summary.variation() > NOISY) {
                sentences.add(String.format(Locale.ROOT,
                        "%s varies by %.0f %% of its mean (%.0f to %.0f %s): the machine was not quiet", key,
                        summary.variation() * 100, summary.min(), summary.max(), measurement.unit()));
            }
        });
        return List.copyOf(sentences);
    }

    /** Deletes its copies; the cluster stays. */
    @Override
    public void close() {
        bench.close();
    }
}
