package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What a pod has of its own before and after its containers: an address, folders for volumes, a folder for logs. */
final class PodSandbox implements AutoCloseable {
    private final NodeConfig config;
    private final PodApi api;
    private final ImagePulls imagePulls;
    private final Clock clock;
    private final ContainerProcesses processes;
    private final String id;
    private final Path folder;
    private final Path logs;
    private final Optional<PodAddresses.Lease> lease;
    /** Made when the first container starts, so that what is missing then may still come. */
    private @Nullable PodVolumes volumes;
    private Instant refreshAt = Instant.MAX;

    /** Everything needed to start one container. */
    record Prepared(Launch launch, ContainerProbes probes, String unique) {}

    private PodSandbox(PodWorker.Services node, Pod pod, Optional<PodAddresses.Lease> lease) {
        this.config = node.config();
        this.api = node.api();
        this.imagePulls = node.imagePulls();
        this.clock = node.clock();
        this.processes = node.processes();
        this.id = shortId(pod.getMetadata().getUid());
        this.folder = config.folder().resolve("pods").resolve(id);
        this.logs = node.logs().podFolder(pod.getMetadata().getNamespace(), pod.getMetadata().getName(), id);
        this.lease = lease;
    }

    /** @throws IOException when there is no address for the pod */
    static PodSandbox open(PodWorker.Services node, Pod pod) throws IOException {
        boolean onHost = Boolean.TRUE.equals(pod.getSpec().getHostNetwork());
        return new PodSandbox(node, pod, onHost ? Optional.empty() : Optional.of(PodAddresses.take()));
    }

    /** Long enough to be unique on a node, short enough for socket paths. */
    static String shortId(String podUid) {
        String uid = podUid.replace("-", "");
        return uid.substring(0, Math.min(10, uid.length()));
    }

    String address() {
        return lease.map(PodAddresses.Lease::address).orElse(NodeConfig.HOST_IP);
    }

    /**
     * Turns a container into a command line, with its volumes in place.
     *
     * @throws NotRunnable when it cannot be run as described
     */
    Prepared prepare(Pod pod, Container container) throws NotRunnable, IOException {
        ImageTable images = config.images();
        imagePulls.require(container.getImage());
        ImageTable.Image image = images.find(container.getImage())
                .orElseThrow(() -> new NotRunnable("ErrImagePull", images.missing(container.getImage())));
        Launch.Downward downward = downward(pod);
        if (volumes == null) {
            ClaimAccess.check(pod, api, clock.instant());
            volumes = PodVolumes.prepare(pod.getSpec().getVolumes(), downward, new RenewedTokens(api, clock),
                    new PodVolumes.Roots(folder, config.folder().resolve("root"), config.claims()));
            refreshAt = clock.instant().plus(config.volumeRefresh());
        }
        MountPaths mounts = volumes.mountsOf(container);
        Path scratch = Files.createDirectories(folder.resolve(".cwd").resolve(container.getName()));
        Launch launch = Launch.of(container, image, downward, api, mounts, scratch);
        String unique = id + "." + container.getName();
        ContainerProbes probes = ContainerProbes.of(container, address(), launch, mounts, processes.markOf(unique));
        return new Prepared(launch, probes, unique);
    }

    private Launch.Downward downward(Pod pod) {
        return new Launch.Downward(pod, address(), NodeConfig.HOST_IP);
    }

    /** When files in volumes are to be compared with their sources again. */
    Optional<Instant> refreshAt() {
        return volumes != null && volumes.followSources() ? Optional.of(refreshAt) : Optional.empty();
    }

    /**
     * Brings files in volumes up to date, when that is due.
     *
     * @return what is wrong with a source; the files stay as they are
     */
    Optional<String> refresh(Pod pod) {
        if (volumes == null || refreshAt().filter(due -> !clock.instant().isBefore(due)).isEmpty()) {
            return Optional.empty();
        }
        refreshAt = clock.instant().plus(config.volumeRefresh());
        try {
            volumes.refresh(downward(pod));
            return Optional.empty();
        } catch (NotRunnable | IOException | KubernetesClientException e) {
            return Optional.of("volumes are not refreshed: " + e.getMessage());
        }
    }

    Path openLog(String container, int restarts) throws IOException {
        return ContainerLogs.open(logs, container, restarts);
    }

    /** Gives the address back; the folders stay until the pod's object is gone. */
    void releaseAddress() {
        lease.ifPresent(PodAddresses.Lease::close);
    }

    @Override
    public void close() throws IOException {
        releaseAddress();
        Folders.delete(folder);
        Folders.delete(logs);
    }
}
