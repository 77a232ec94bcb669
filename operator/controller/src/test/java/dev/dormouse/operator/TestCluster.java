package dev.dormouse.operator;

import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.cluster.apiserver.ApiServer;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.operator.sidecar.FakeSidecar;
import dev.dormouse.operator.status.Conditions;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.ContainerStatusBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.Resource;
import java.net.HttpURLConnection;
import java.util.function.UnaryOperator;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** An embedded API server, an operator on it, and a test in the place of the kubelet. */
public final class TestCluster implements AutoCloseable {
    private static final int MAX_TRIES = 50;
    public static final String NAMESPACE = "default";
    /** Every fake sidecar of a test run has an address of its own, as every pod has. */
    private static final AtomicInteger ADDRESSES = new AtomicInteger(2);

    private final ApiServer server;
    private final KubernetesClient client;
    private final MovableClock clock = new MovableClock();
    private final List<FakeSidecar> sidecars = new ArrayList<>();
    private @Nullable DormouseOperator operator;

    public TestCluster() throws IOException {
        server = new ApiServer(0, Clock.systemUTC());
        for (String type : List.of("inferencemodels", "modelsnapshots", "gpupools")) {
            try (InputStream crd = Objects.requireNonNull(
                    InferenceModel.class.getResourceAsStream("/crds/" + type + ".dormouse.dev.yaml"))) {
                server.apply(new String(crd.readAllBytes(), StandardCharsets.UTF_8));
            }
        }
        client = newClient();
    }

    public KubernetesClient newClient() {
        return new KubernetesClientBuilder().withConfig(new ConfigBuilder().withAutoConfigure(false)
                .withMasterUrl(server.url().toString())
                .withOauthToken(server.token())
                .withCaCertData(server.certificate())
                .withOnlyHttpWatches(true)
                // A busy machine may answer late; a create that the client sends again would find itself there.
                .withRequestTimeout(60_000)
                .withNamespace(NAMESPACE)
                .build()).build();
    }

    public String kubeconfig() {
        String ca = Base64.getEncoder().encodeToString(server.certificate().getBytes(StandardCharsets.UTF_8));
        return """
               apiVersion: v1
               kind: Config
               current-context: embedded
               clusters: [{name: embedded, cluster: {server: "%s", certificate-authority-data: "%s"}}]
               contexts: [{name: embedded, context: {cluster: embedded, user: embedded, namespace: default}}]
               users: [{name: embedded, user: {token: "%s"}}]
               """.formatted(server.url(), ca, server.token());
    }

    public KubernetesClient client() {
        return client;
    }

    public MovableClock clock() {
        return clock;
    }

    public void startOperator() throws IOException {
        startOperator(Map.of());
    }

    public void startOperator(Map<String, String> settings) throws IOException {
        Map<String, String> environment = new HashMap<>(Map.of("DORMOUSE_BIND", "127.0.0.1", "DORMOUSE_HTTP_PORT", "0",
                "DORMOUSE_LEADER_ELECTION", "false", "DORMOUSE_SCRAPE_MILLIS", "50"));
        environment.putAll(settings);
        operator = new DormouseOperator(client, OperatorConfig.fromEnvironment(environment), clock, () -> {
            throw new AssertionError("leadership lost");
        });
        operator.start();
    }

    public DormouseOperator operator() {
        return Objects.requireNonNull(operator);
    }

    /** Has a model reconciled now. */
    public void signal(String name) {
        operator().signal(new ModelKey(NAMESPACE, name));
    }

    /** How many reconciles the operator has finished, from its own metrics. */
    public long reconciles() {
        String count = "dormouse_reconcile_seconds_count ";
        try (InputStream metrics = URI.create("http://127.0.0.1:" + operator().httpPort() + "/metrics")
                .toURL()
                .openStream()) {
            return new String(metrics.readAllBytes(), StandardCharsets.UTF_8).lines()
                    .filter(line -> line.startsWith(count))
                    .mapToLong(line -> (long) Double.parseDouble(line.substring(count.length())))
                    .findFirst()
                    .orElse(0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public void stopOperator() {
        operator().close();
        operator = null;
    }

    /** @param spec YAML of the spec, beyond model and engine, indented by two */
    public InferenceModel create(String name, String spec) {
        return create(name, spec, "file:///models/m");
    }

    public InferenceModel create(String name, String spec, String uri) {
        return client.resources(InferenceModel.class)
                .inNamespace(NAMESPACE)
                .load(new ByteArrayInputStream("""
                                               apiVersion: dormouse.dev/v1alpha1
                                               kind: InferenceModel
                                               metadata:
                                                 name: %s
                                                 namespace: default
                                               spec:
                                                 model:
                                                   uri: %s
                                                 engine:
                                                   image: engine:1
                                               %s
                                               """.formatted(name, uri, spec).getBytes(StandardCharsets.UTF_8)))
                .create();
    }

    /** Edits what the operator writes to meanwhile: a conflict is an invitation to look again. */
    public static <T> void change(Resource<T> resource, UnaryOperator<T> edit) {
        for (int tries = 1;; tries++) {
            try {
                resource.edit(edit);
                return;
            } catch (KubernetesClientException e) {
                if (e.getCode() != HttpURLConnection.HTTP_CONFLICT || tries == MAX_TRIES) {
                    throw e;
                }
            }
        }
    }

    public void changeImage(String name, String image) {
        change(client.resources(InferenceModel.class).inNamespace(NAMESPACE).withName(name),
                model -> withImage(model, image));
    }

    public static InferenceModel withImage(InferenceModel model, String image) {
        InferenceModelSpec spec = model.getSpec();
        InferenceModelSpec.Engine engine = spec.engine();
        model.setSpec(new InferenceModelSpec(spec.model(), new InferenceModelSpec.Engine(image, engine.command(),
                engine.args(), engine.env(), engine.port(), engine.resources()), spec.podTemplate(), spec.replicas(),
                spec.scaling(), spec.requests(), spec.warmup(), spec.snapshot()));
        return model;
    }

    public InferenceModel model(String name) {
        return client.resources(InferenceModel.class).inNamespace(NAMESPACE).withName(name).get();
    }

    public ModelStatus status(String name) {
        InferenceModel model = model(name);
        return model == null || model.getStatus() == null ? new ModelStatus() : model.getStatus();
    }

    public Optional<Condition> condition(String name, String type) {
        return Conditions.find(status(name).conditions, type);
    }

    /** One value of status by its JSON pointer; empty when absent. */
    public String value(String name, String pointer) {
        return client.getKubernetesSerialization().convertValue(status(name), JsonNode.class).at(pointer).asText();
    }

    /** The reason of condition Ready, with its status: {@code True/ScaledToZero}. */
    public String ready(String name) {
        return condition(name, Conditions.READY).map(c -> c.getStatus() + "/" + c.getReason()).orElse("absent");
    }

    public List<Pod> pods(String model) {
        return client.pods().inNamespace(NAMESPACE).withLabel(PodConventions.LABEL_MODEL, model).list().getItems();
    }

    public Pod awaitPod(String model) {
        await().until(() -> pods(model).size() == 1);
        return pods(model).getFirst();
    }

    /** The pod of an image that has just been created: nobody deletes it, and no kubelet has touched it. */
    public Pod awaitPod(String model, String image) {
        AtomicReference<Pod> fresh = new AtomicReference<>();
        await().until(() -> {
            pods(model).stream()
                    .filter(pod -> !pod.isMarkedForDeletion()
                            && pod.getSpec().getContainers().getFirst().getImage().equals(image)
                            && (pod.getStatus() == null || pod.getStatus().getPodIP() == null))
                    .forEach(fresh::set);
            return fresh.get() != null;
        });
        return fresh.get();
    }

    /** What a gateway does when a request comes for a sleeping model. */
    public void demand(String name, Instant at) {
        demand(name, "{\"requestedAt\":\"" + at + "\"}");
    }

    public void demand(String name, Instant at, String traceparent) {
        demand(name, "{\"requestedAt\":\"" + at + "\",\"traceparent\":\"" + traceparent + "\"}");
    }

    private void demand(String name, String demand) {
        client.resources(InferenceModel.class)
                .inNamespace(NAMESPACE)
                .withName(name)
                .subresource("status")
                .patch(new PatchContext.Builder().withPatchType(PatchType.JSON_MERGE)
                        .withFieldManager("dormouse-gateway")
                        .build(), "{\"status\":{\"demand\":" + demand + "}}");
    }

    /** What the kubelet does when the containers of a pod run. @return the pod's sidecar */
    public FakeSidecar run(Pod pod) throws IOException {
        int number = ADDRESSES.getAndIncrement();
        String ip = "127.0.77." + number;
        FakeSidecar sidecar = new FakeSidecar(ip, PodConventions.SIDECAR_PORT, pod.getMetadata().getUid());
        sidecars.add(sidecar);
        client.pods()
                .inNamespace(NAMESPACE)
                .withName(pod.getMetadata().getName())
                .editStatus(p -> new PodBuilder(p).editOrNewStatus()
                        .withPhase("Running")
                        .withPodIP(ip)
                        .withInitContainerStatuses(running(PodConventions.SIDECAR_CONTAINER))
                        .withContainerStatuses(running(PodConventions.ENGINE_CONTAINER))
                        .endStatus()
                        .build());
        return sidecar;
    }

    /** What the kubelet says when a container cannot start. */
    public void hinder(Pod pod, String reason, String message) {
        client.pods()
                .inNamespace(NAMESPACE)
                .withName(pod.getMetadata().getName())
                .editStatus(p -> new PodBuilder(p).editOrNewStatus()
                        .withPhase("Pending")
                        .withContainerStatuses(
                                new ContainerStatusBuilder().withName(PodConventions.ENGINE_CONTAINER)
                                        .withImage("engine:1")
                                        .withImageID("")
                                        .withReady(false)
                                        .withRestartCount(0)
                                        .withNewState()
                                        .withNewWaiting()
                                        .withReason(reason)
                                        .withMessage(message)
                                        .endWaiting()
                                        .endState()
                                        .build())
                        .endStatus()
                        .build());
    }

    /** What the kubelet does after a deleted pod's processes have ended. */
    public void end(Pod pod) {
        client.pods().inNamespace(NAMESPACE).withName(pod.getMetadata().getName()).withGracePeriod(0).delete();
    }

    @Override
    public void close() {
        if (operator != null) {
            operator.close();
        }
        sidecars.forEach(FakeSidecar::close);
        client.close();
        server.close();
    }

    private static ContainerStatus running(String name) {
        return new ContainerStatusBuilder().withName(name)
                .withImage("i")
                .withImageID("")
                .withReady(false)
                .withRestartCount(0)
                .withNewState()
                .withNewRunning()
                .withStartedAt(Instant.now().truncatedTo(ChronoUnit.SECONDS).toString())
                .endRunning()
                .endState()
                .build();
    }
}
