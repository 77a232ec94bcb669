package dev.dormouse.gateway.kube;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.route.ClusterListener;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.FilterWatchListDeletable;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.BiConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches models and their pods and tells the newest state of what changed. An event only says <em>what</em> to look at;
 * one thread then reads it from the informer's cache, so an old event can never overwrite a newer state. A cluster that
 * cannot be reached is tried again for ever; meanwhile the last known state stays.
 */
public final class ClusterWatcher implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ClusterWatcher.class);

    private final ClusterListener listener;
    private final List<SharedIndexInformer<?>> informers = new ArrayList<>();
    private final List<Runnable> tellAll = new ArrayList<>();
    private final ExecutorService teller = Executors
            .newSingleThreadExecutor(Thread.ofPlatform().daemon().name("cluster-watcher").factory());
    private CompletableFuture<Void> started = CompletableFuture.completedFuture(null);
    /** UID of each pod told, by {@code namespace/name}. Owned by the telling thread. */
    private final Map<String, String> podUids = new HashMap<>();

    /** @param namespaces whose models are served; empty for all */
    public ClusterWatcher(KubernetesClient client, Set<String> namespaces, ClusterListener listener) {
        this.listener = listener;
        if (namespaces.isEmpty()) {
            watch(client.resources(InferenceModel.class).inAnyNamespace(), this::tellModel);
            watch(client.pods().inAnyNamespace().withLabel(PodConventions.LABEL_MODEL), this::tellPod);
        }
        for (String namespace : namespaces) {
            watch(client.resources(InferenceModel.class).inNamespace(namespace), this::tellModel);
            watch(client.pods().inNamespace(namespace).withLabel(PodConventions.LABEL_MODEL), this::tellPod);
        }
    }

    /** Begins to watch and returns; the listener hears {@link ClusterListener#synced} when all is known. */
    public void start() {
        CompletableFuture<?>[] synced = informers.stream()
                .map(informer -> informer.start().toCompletableFuture())
                .toArray(CompletableFuture[]::new);
        started = CompletableFuture.allOf(synced).thenRunAsync(() -> {
            tellAll.forEach(Runnable::run);
            listener.synced();
        }, teller).exceptionally(error -> {
            LOG.error("watching the cluster could not begin", error);
            return null;
        });
    }

    private <T extends HasMetadata> void watch(FilterWatchListDeletable<T, ?, ?> what,
            BiConsumer<String, Optional<T>> tell) {
        SharedIndexInformer<T> informer = what.runnableInformer(0);
        informer.exceptionHandler((started, error) -> {
            LOG.warn("the cluster cannot be watched at present; trying again: {}", error.getMessage());
            return true;
        });
        informer.addEventHandler(new ResourceEventHandler<T>() {
            @Override
            public void onAdd(T seen) {
                look(key(seen));
            }

            @Override
            public void onUpdate(T before, T seen) {
                look(key(seen));
            }

            @Override
            public void onDelete(T last, boolean stateUnknown) {
                look(key(last));
            }

            private void look(String key) {
                try {
                    teller.execute(() -> tell.accept(key, Optional.ofNullable(informer.getIndexer().getByKey(key))));
                } catch (RejectedExecutionException e) {
                    LOG.debug("{} changed after the end", key);
                }
            }
        });
        informers.add(informer);
        tellAll.add(() -> informer.getIndexer().list().forEach(seen -> tell.accept(key(seen), Optional.of(seen))));
    }

    private static String key(HasMetadata object) {
        return object.getMetadata().getNamespace() + "/" + object.getMetadata().getName();
    }

    private void tellModel(String key, Optional<InferenceModel> model) {
        model.flatMap(Routes::of).ifPresentOrElse(listener::modelSeen, () -> listener.modelGone(ModelKey.parse(key)));
    }

    /** A name may have passed to another pod while nobody looked. */
    private void tellPod(String key, Optional<Pod> pod) {
        Optional<PodRoute> route = pod.flatMap(Routes::of);
        String before = podUids.remove(key);
        if (before != null && route.filter(now -> now.uid().equals(before)).isEmpty()) {
            listener.podGone(before);
        }
        route.ifPresent(now -> {
            podUids.put(key, now.uid());
            listener.podSeen(now);
        });
    }

    @Override
    public void close() {
        started.cancel(false);
        informers.forEach(SharedIndexInformer::stop);
        teller.shutdownNow();
    }
}
