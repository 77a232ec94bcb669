package dev.dormouse.gateway.kube;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.route.ClusterView;
import dev.dormouse.gateway.route.Endpoint;
import dev.dormouse.gateway.route.ServedModel;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerPort;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Watches models and their pods and tells {@link ClusterView} what matters of them. */
public final class KubeCluster implements AutoCloseable {
    private final List<SharedIndexInformer<?>> informers = new ArrayList<>();

    /**
     * Returns once the caches are filled and everything in them was handed over.
     *
     * @param namespaces empty stands for all
     * @param owner runs every call of {@code view}
     */
    public KubeCluster(KubernetesClient client, List<String> namespaces, ClusterView view, Executor owner) {
        ResourceEventHandler<InferenceModel> models = each(model -> owner.execute(() -> view.model(served(model))),
                model -> owner.execute(() -> view.modelGone(key(model, model.getMetadata().getName()))));
        ResourceEventHandler<Pod> pods = each(pod -> owner.execute(() -> view.endpoint(endpoint(pod))),
                pod -> owner.execute(() -> view.endpointGone(pod.getMetadata().getUid())));
        if (namespaces.isEmpty()) {
            informers.add(client.resources(InferenceModel.class).inAnyNamespace().inform(models));
            informers.add(client.pods().inAnyNamespace().withLabel(PodConventions.LABEL_MODEL).inform(pods));
        }
        for (String namespace : namespaces) {
            informers.add(client.resources(InferenceModel.class).inNamespace(namespace).inform(models));
            informers.add(client.pods().inNamespace(namespace).withLabel(PodConventions.LABEL_MODEL).inform(pods));
        }
    }

    private static <T extends HasMetadata> ResourceEventHandler<T> each(Consumer<T> present, Consumer<T> gone) {
        return new ResourceEventHandler<>() {
            @Override
            public void onAdd(T object) {
                present.accept(object);
            }

            @Override
            public void onUpdate(T before, T after) {
                present.accept(after);
            }

            @Override
            public void onDelete(T object, boolean finalStateUnknown) {
                gone.accept(object);
            }
        };
    }

    private static ModelKey key(HasMetadata object, String name) {
        return new ModelKey(object.getMetadata().getNamespace(), name);
    }

    private static ServedModel served(InferenceModel model) {
        ObjectMeta meta = model.getMetadata();
        InferenceModelSpec spec = model.getSpec();
        String name = spec.model().name() == null ? meta.getName() : spec.model().name();
        return new ServedModel(key(model, meta.getName()), name, spec.requests().concurrencyLimit(),
                Duration.ofSeconds(spec.requests().queueTimeoutSeconds()), spec.requests().priority(),
                Instant.parse(meta.getCreationTimestamp()), awakeSince(model.getStatus()), trouble(model.getStatus()));
    }

    private static Optional<Instant> awakeSince(@Nullable ModelStatus status) {
        return Optional.ofNullable(status)
                .map(known -> known.activation)
                .filter(activation -> activation.endedAt() == null)
                .map(activation -> Instant.parse(activation.startedAt()));
    }

    private static Optional<String> trouble(@Nullable ModelStatus status) {
        return Optional.ofNullable(status)
                .flatMap(known -> known.conditions.stream()
                        .filter(condition -> condition.getType().equals("Ready")
                                && "False".equals(condition.getStatus()))
                        .map(condition -> condition.getReason() + ": " + condition.getMessage())
                        .findFirst());
    }

    private static Endpoint endpoint(Pod pod) {
        ObjectMeta meta = pod.getMetadata();
        Map<String, String> annotations = meta.getAnnotations();
        boolean draining = "true".equals(annotations.get(PodConventions.ANNOTATION_DRAINING));
        String ip = pod.getStatus() == null ? null : pod.getStatus().getPodIP();
        boolean ready = pod.getStatus() != null && pod.getStatus()
                .getConditions()
                .stream()
                .anyMatch(condition -> condition.getType().equals("Ready") && condition.getStatus().equals("True"));
        return new Endpoint(meta.getUid(), key(pod, String.valueOf(meta.getLabels().get(PodConventions.LABEL_MODEL))),
                ip == null ? "" : ip,
                port(pod.getSpec().getContainers(), PodConventions.ENGINE_CONTAINER, PodConventions.ENGINE_PORT),
                port(pod.getSpec().getInitContainers(), PodConventions.SIDECAR_CONTAINER, PodConventions.SIDECAR_PORT),
                ready,
                draining || meta.getDeletionTimestamp() != null);
    }

    private static int port(List<Container> containers, String name, int otherwise) {
        return containers.stream()
                .filter(container -> container.getName().equals(name))
                .flatMap(container -> container.getPorts().stream())
                .map(ContainerPort::getContainerPort)
                .findFirst()
                .orElse(otherwise);
    }

    @Override
    public void close() {
        informers.forEach(SharedIndexInformer::close);
    }
}
