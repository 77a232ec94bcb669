package dev.dormouse.e2e;

import static org.awaitility.Awaitility.await;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.cli.demo.EmbeddingClient;
import dev.dormouse.cli.local.LocalCluster;
import dev.dormouse.cli.local.LocalOptions;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.dsl.Resource;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.function.Predicate;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.jspecify.annotations.Nullable;

/** A local cluster per class, and the words in which the stories are told. Every process is real. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class Story {
    static final Path HOME = Path.of(System.getProperty("dormouse.home"));
    static final Duration PATIENCE = Duration.ofSeconds(90);
    static final String SIDECAR = "dev.dormouse.sidecar.agent.AgentMain";
    static final String SENTENCE = "A dormouse sleeps for seven months.";

    private @Nullable LocalCluster running;
    private @Nullable Path state;
    private @Nullable EmbeddingClient user;

    @BeforeAll
    void start() throws IOException, InterruptedException {
        state = Files.createTempDirectory("dm-");
        running = LocalCluster.start(options(LocalOptions.of(HOME, state.resolve("s"))), line -> {
        });
        user = new EmbeddingClient(running.gateway());
    }

    @AfterAll
    void stop() throws IOException {
        if (user != null) {
            user.close();
        }
        if (running != null) {
            running.close();
        }
        if (state != null) {
            Files.deleteIfExists(state);
        }
    }

    @AfterEach
    void deleteModels() {
        models().delete();
        await().atMost(PATIENCE).until(() -> models().list().getItems().isEmpty());
        await().atMost(PATIENCE)
                .until(() -> cluster().client().pods().inNamespace("default").list().getItems().isEmpty());
    }

    LocalOptions options(LocalOptions options) {
        return options;
    }

    LocalCluster cluster() {
        if (running == null) {
            throw new IllegalStateException("the cluster is not started");
        }
        return running;
    }

    EmbeddingClient user() {
        if (user == null) {
            throw new IllegalStateException("the cluster is not started");
        }
        return user;
    }

    /** The sample model under another name; {@code extra} is YAML below {@code spec}, indented by two. */
    void apply(String name, String extra) {
        applyYaml(yaml(name, extra));
        awaitListed(name);
    }

    static String yaml(String name, String extra) {
        return """
               apiVersion: dormouse.dev/v1alpha1
               kind: InferenceModel
               metadata:
                 name: %s
               spec:
                 model: {uri: pvc://models/all-minilm-l6-v2}
                 engine: {image: dormouse/engine-onnx:0.1.0}
               """.formatted(name) + extra;
    }

    void applyYaml(String yaml) {
        cluster().apply(new ByteArrayInputStream(yaml.getBytes(StandardCharsets.UTF_8)));
    }

    /** Without waking it: the gateway's list. */
    void awaitListed(String name) {
        await().atMost(PATIENCE).until(() -> user().models().contains(name));
    }

    boolean exists(String name) {
        return model(name).get() != null;
    }

    private io.fabric8.kubernetes.client.dsl.NonNamespaceOperation<InferenceModel, io.fabric8.kubernetes.api.model.KubernetesResourceList<InferenceModel>, Resource<InferenceModel>> models() {
        return cluster().client().resources(InferenceModel.class).inNamespace("default");
    }

    Resource<InferenceModel> model(String name) {
        return models().withName(name);
    }

    InferenceModel awaitModel(String name, Predicate<InferenceModel> state) {
        return await().atMost(PATIENCE)
                .until(() -> model(name).get(),
                        model -> model != null && model.getStatus() != null && state.test(model));
    }

    InferenceModel awaitReason(String name, String reason) {
        return awaitModel(name, model -> reason.equals(ready(model).getReason()));
    }

    InferenceModel awaitAsleepWithSnapshot(String name) {
        return awaitModel(name, model -> "ScaledToZero".equals(ready(model).getReason())
                && model.getStatus().replicas == 0 && "Volume".equals(model.getStatus().rung));
    }

    static Condition ready(InferenceModel model) {
        return condition(model, "Ready");
    }

    static Condition condition(InferenceModel model, String type) {
        return model.getStatus().conditions.stream()
                .filter(condition -> condition.getType().equals(type))
                .findFirst()
                .orElseGet(Condition::new);
    }

    List<Pod> pods(String model) {
        return cluster().client()
                .pods()
                .inNamespace("default")
                .withLabel(PodConventions.LABEL_MODEL, model)
                .list()
                .getItems();
    }

    HttpResponse<String> ask(String model, int seconds) throws IOException, InterruptedException {
        return user().post(model, SENTENCE, Duration.ofSeconds(seconds));
    }

    CompletableFuture<HttpResponse<String>> askLater(String model) {
        return CompletableFuture.supplyAsync(() -> {
            try {
                return ask(model, (int) PATIENCE.toSeconds());
            } catch (IOException | InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }, task -> Thread.ofVirtual().start(task));
    }

    List<HttpResponse<String>> askTogether(String model, int clients) {
        List<CompletableFuture<HttpResponse<String>>> asked = IntStream.range(0, clients)
                .mapToObj(client -> askLater(model))
                .toList();
        return asked.stream().map(CompletableFuture::join).toList();
    }

    /** Running containers of this cluster, and of no other that runs beside it, by a part of their command line. */
    List<ProcessHandle> containers(String program) {
        String mark = Objects.requireNonNull(state).toString();
        return ProcessHandle.current()
                .descendants()
                .filter(process -> process.info().commandLine().orElse("").contains(program))
                .filter(process -> environment(process).contains(mark))
                .toList();
    }

    private static String environment(ProcessHandle process) {
        try {
            return Files.readString(Path.of("/proc", Long.toString(process.pid()), "environ"),
                    StandardCharsets.ISO_8859_1);
        } catch (IOException _) {
            return "";
        }
    }

    List<Path> packs(String model) throws IOException {
        try (Stream<Path> files = Files.walk(cluster().claimFolder("default", model + "-snapshots"))) {
            return files.filter(file -> file.toString().endsWith(".pack")).toList();
        }
    }
}
