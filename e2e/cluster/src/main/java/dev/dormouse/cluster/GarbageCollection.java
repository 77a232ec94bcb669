package dev.dormouse.cluster;

import dev.dormouse.cluster.Leftovers.Owner;
import dev.dormouse.cluster.Leftovers.Place;
import dev.dormouse.cluster.Leftovers.Seen;
import dev.dormouse.cluster.Leftovers.Step;
import io.fabric8.kubernetes.api.model.APIGroup;
import io.fabric8.kubernetes.api.model.APIResource;
import io.fabric8.kubernetes.api.model.APIResourceList;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceList;
import io.fabric8.kubernetes.api.model.Namespace;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.Resource;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What kube-controller-manager does about owners and ended namespaces, for a kube-apiserver that has none beside it. It looks
 * at everything once a second, so it is meant for the thousands of objects of a test, not for a cluster; what it found is
 * done only when a second look finds it too, since a look is many lists and objects come between them.
 */
final class GarbageCollection implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(GarbageCollection.class);
    private static final Duration INTERVAL = Duration.ofSeconds(1);

    private final KubernetesClient client;
    private final ScheduledExecutorService thread;
    /** Of the last look; of {@code thread} alone. */
    private Set<Step> found = Set.of();

    private GarbageCollection(KubernetesClient client) {
        this.client = client;
        this.thread = Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().daemon().name("garbage-collection").factory());
    }

    /** Runs until closed; the client stays the caller's. */
    static GarbageCollection start(KubernetesClient client) {
        GarbageCollection collection = new GarbageCollection(client);
        var _ = collection.thread.scheduleWithFixedDelay(collection::look, 0, INTERVAL.toMillis(),
                TimeUnit.MILLISECONDS);
        return collection;
    }

    private void look() {
        try {
            List<Step> steps = Leftovers.steps(everything());
            steps.stream().filter(found::contains).forEach(this::carryOut);
            found = Set.copyOf(steps);
        } catch (KubernetesClientException e) { // the next look is soon; the server may be starting or stopping
            LOG.debug("garbage collection broken off: {}", e.getMessage());
        }
    }

    private List<Seen> everything() {
        List<Seen> all = new ArrayList<>();
        Stream.concat(Stream.of("v1"), client.getApiGroups().getGroups().stream().map(GarbageCollection::preferred))
                .forEach(version -> {
                    APIResourceList resources = client.getApiResources(version);
                    if (resources != null) {
                        resources.getResources()
                                .stream()
                                .filter(each -> each.getVerbs().containsAll(List.of("list", "delete", "patch")))
                                .forEach(each -> all.addAll(objects(version, each)));
                    }
                });
        return all;
    }

    private static String preferred(APIGroup group) {
        return group.getPreferredVersion().getGroupVersion();
    }

    private List<Seen> objects(String apiVersion, APIResource type) {
        GenericKubernetesResourceList list = client.genericKubernetesResources(apiVersion, type.getKind())
                .inAnyNamespace()
                .list();
        return list.getItems().stream().map(each -> seen(apiVersion, type.getKind(), each.getMetadata())).toList();
    }

    private static Seen seen(String apiVersion, String kind, ObjectMeta metadata) {
        String namespace = metadata.getNamespace() == null ? "" : metadata.getNamespace();
        return new Seen(new Place(apiVersion, kind, namespace, metadata.getName()), metadata.getUid(),
                metadata.getOwnerReferences()
                        .stream()
                        .map(owner -> new Owner(owner.getUid(), Boolean.TRUE.equals(owner.getBlockOwnerDeletion())))
                        .toList(),
                List.copyOf(metadata.getFinalizers()), metadata.getDeletionTimestamp() != null);
    }

    private void carryOut(Step step) {
        switch (step) {
            case Step.Delete(Place place, String uid) -> delete(place, uid);
            case Step.ForgetOwners(Place place, String uid, Set<String> owners) -> change(place, uid, metadata -> {
                metadata.getOwnerReferences().removeIf(owner -> owners.contains(owner.getUid()));
                return metadata;
            });
            case Step.RemoveFinalizer(Place place, String uid, String finalizer) -> change(place, uid, metadata -> {
                metadata.getFinalizers().remove(finalizer);
                return metadata;
            });
            case Step.EndNamespace(String name, String uid) -> end(name, uid);
        }
    }

    private void delete(Place place, String uid) {
        Resource<GenericKubernetesResource> resource = resource(place);
        GenericKubernetesResource present = resource.get();
        if (present != null && present.getMetadata().getUid().equals(uid)) {
            client.resource(present).lockResourceVersion().delete();
        }
    }

    private void change(Place place, String uid, UnaryOperator<ObjectMeta> change) {
        GenericKubernetesResource present = resource(place).get();
        if (present != null && present.getMetadata().getUid().equals(uid)) {
            present.setMetadata(change.apply(present.getMetadata()));
            client.resource(present).update(); // refused when somebody was faster: the next look decides again
        }
    }

    private Resource<GenericKubernetesResource> resource(Place place) {
        var resources = client.genericKubernetesResources(place.apiVersion(), place.kind());
        return place.namespace().isEmpty()
                ? resources.withName(place.name())
                : resources.inNamespace(place.namespace()).withName(place.name());
    }

    private void end(String name, String uid) {
        Namespace present = client.namespaces().withName(name).get();
        if (present != null && present.getMetadata().getUid().equals(uid)) {
            present.getSpec().setFinalizers(List.of());
            client.raw("/api/v1/namespaces/" + name + "/finalize", "PUT", present);
        }
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
