package dev.dormouse.cluster.kubelet;

import dev.dormouse.cluster.apiserver.PodLogs;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A Kubernetes node that runs pods as processes of this machine. An ordinary API client: it works against any API
 * server, and pods reach it through {@code spec.nodeName} only. Isolates nothing; run only what you would run yourself.
 * <p>
 * Closing it ends every process it started and marks the pods Failed. Killed, it leaves processes behind, which the next
 * node of the same name and state folder ends first.
 */
public final class ProcessNode implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ProcessNode.class);
    private static final Duration CLOSING_GRACE = Duration.ofSeconds(2);
    private static final Duration CLOSING_LIMIT = CLOSING_GRACE.plusSeconds(3);
    /** What a socket path may have, less what comes below the state folder: nodes/n/pods/0123456789/volume/engine.sock. */
    private static final int COMFORTABLE_STATE_PATH = 48;

    private record Running(PodWorker worker, Thread thread) {}

    private final NodeConfig config;
    private final NodeRegistration registration;
    private final PodWorker.Services services;
    private final FileChannel lock;
    private final Thread shutdownHook;
    /** By pod uid. Changed by the informer's thread, and by workers when they end. */
    private final Map<String, Running> pods = new ConcurrentHashMap<>();
    private final Optional<Thread> heartbeat;
    private final SharedIndexInformer<Pod> informer;
    private boolean ended;

    /**
     * Registers the node and runs what is bound to it, until closed. Set {@code withOnlyHttpWatches(true)} in the client's
     * configuration when the server has no WebSockets. The client stays the caller's: close the node first.
     *
     * @throws IOException when the state folder cannot be used, or another node uses it
     */
    public static ProcessNode start(KubernetesClient client, NodeConfig config) throws IOException {
        return new ProcessNode(client, config, Clock.systemUTC());
    }

    private ProcessNode(KubernetesClient client, NodeConfig config, Clock clock) throws IOException {
        this.config = config;
        Files.createDirectories(config.folder());
        this.lock = lock(config);
        ContainerProcesses processes = new ContainerProcesses(config.folder());
        processes.endLeftovers();
        Folders.delete(config.folder().resolve("pods"));
        Folders.delete(config.folder().resolve("logs"));
        if (config.state().toString().length() > COMFORTABLE_STATE_PATH) {
            LOG.warn("The state folder {} is {} characters long; unix sockets in volumes may exceed their 107 bytes",
                    config.state(), config.state().toString().length());
        }
        this.services = new PodWorker.Services(config, new PodApi(client),
                new EventRecorder(client, "kubelet", config.name(), clock), processes,
                new ContainerLogs(config.folder().resolve("logs")), new ImagePulls(clock), clock);
        this.registration = new NodeRegistration(client, config, clock);
        this.shutdownHook = new Thread(() -> processes.endAll(CLOSING_GRACE), "end-containers-" + config.name());
        Runtime.getRuntime().addShutdownHook(shutdownHook);
        registration.register();
        this.heartbeat = config.heartbeat()
                .map(
                        interval -> Thread.ofVirtual()
                                .name("heartbeat-" + config.name())
                                .start(() -> registration.beat(interval)));
        this.informer = client.pods()
                .inAnyNamespace()
                .withField("spec.nodeName", config.name())
                .inform(new PodEvents());
    }

    /** What its Node object says of faults. */
    void obey(Node node) {
        services.imagePulls().fault(Faults.readableImagePull(Faults.of(node, Faults.IMAGE_PULL).orElse("")));
    }

    private static FileChannel lock(NodeConfig config) throws IOException {
        FileChannel channel = FileChannel.open(config.folder().resolve("lock"), StandardOpenOption.CREATE,
                StandardOpenOption.WRITE);
        boolean mine = false;
        try {
            mine = channel.tryLock() != null;
        } catch (OverlappingFileLockException _) {
            // This very process holds it already: told apart from another process by nobody.
            mine = false;
        } finally {
            if (!mine) {
                channel.close();
            }
        }
        if (!mine) {
            throw new IOException("node " + config.name() + " already runs with the state folder " + config.state()
                    + ": end it, or choose another name or folder");
        }
        return channel;
    }

    public String name() {
        return config.name();
    }

    /** The folder of a claim's data, shared by all nodes with this state folder; may not exist yet. */
    public Path claimFolder(String namespace, String claim) {
        return config.claims().resolve(namespace).resolve(claim);
    }

    /**
     * The file with a container's output, of the youngest pod of that name.
     *
     * @param previous the run before the present or last one
     * @return empty when this node has not run it (so often)
     */
    public Optional<Path> logFile(String namespace, String pod, String container, boolean previous) throws IOException {
        Optional<Path> folder = services.logs().newestPod(namespace, pod);
        return folder.isEmpty() ? Optional.empty() : ContainerLogs.find(folder.get(), container, previous);
    }

    /**
     * What {@code kubectl logs} shows of the pods of some nodes. A followed log ends with its container; closing it ends a
     * waiting read with an {@link IOException}.
     */
    public static PodLogs logsOf(Collection<ProcessNode> nodes) {
        List<ProcessNode> all = List.copyOf(nodes);
        return request -> {
            String id = PodSandbox.shortId(request.podUid());
            for (ProcessNode node : all) {
                Path folder = node.services.logs().podFolder(request.namespace(), request.pod(), id);
                Optional<Path> log = ContainerLogs.find(folder, request.container(), request.previous());
                if (log.isPresent()) {
                    long from = request.tailLines().isPresent()
                            ? ContainerLogs.startOfLast(request.tailLines().getAsLong(), log.get())
                            : 0;
                    return request.follow()
                            ? ContainerLogs.follow(log.get(), from)
                            : ContainerLogs.open(log.get(), from);
                }
            }
            throw new IOException("%scontainer \"%s\" in pod \"%s\" %s".formatted(request.previous() ? "previous " : "",
                    request.container(), request.pod(),
                    request.previous() ? "terminated container not found" : "is waiting to start: it has no log yet"));
        };
    }

    /** Feeds the workers. Called by one thread of the informer. */
    private final class PodEvents implements ResourceEventHandler<Pod> {
        @Override
        public void onAdd(Pod pod) {
            see(pod);
        }

        @Override
        public void onUpdate(Pod before, Pod pod) {
            // A pod that was deleted and made anew while the watch was broken looks like an update.
            if (!before.getMetadata().getUid().equals(pod.getMetadata().getUid())) {
                onDelete(before, true);
            }
            see(pod);
        }

        @Override
        public void onDelete(Pod pod, boolean stateUnknown) {
            Running running = pods.get(pod.getMetadata().getUid());
            if (running != null) {
                running.worker().gone();
            }
        }

        private void see(Pod pod) {
            String uid = pod.getMetadata().getUid();
            Running running = pods.get(uid);
            if (running != null) {
                running.worker().seen(pod);
            } else if (!isOver(pod)) {
                start(uid, pod);
            } else if (pod.getMetadata().getDeletionTimestamp() != null) {
                remove(pod);
            }
        }

        private boolean isOver(Pod pod) {
            String phase = pod.getStatus() == null ? null : pod.getStatus().getPhase();
            return "Succeeded".equals(phase) || "Failed".equals(phase);
        }

        private void start(String uid, Pod pod) {
            try {
                PodWorker worker = new PodWorker(services, pod, PodSandbox.open(services, pod));
                Thread thread = Thread.ofPlatform()
                        .daemon()
                        .name("pod-" + pod.getMetadata().getName())
                        .unstarted(() -> {
                            try {
                                worker.run();
                            } finally {
                                pods.remove(uid);
                            }
                        });
                pods.put(uid, new Running(worker, thread));
                thread.start();
            } catch (IOException e) {
                LOG.error("Pod {}/{} gets no address; its next change tries again", pod.getMetadata().getNamespace(),
                        pod.getMetadata().getName(), e);
                services.events()
                        .record(pod, EventRecorder.Type.WARNING, "FailedCreatePodSandBox",
                                String.valueOf(e.getMessage()), "");
            }
        }

        /** A pod that ended under an earlier node. */
        private void remove(Pod pod) {
            try {
                services.api().delete(pod);
            } catch (KubernetesClientException e) {
                LOG.warn("Pod {}/{} cannot be removed; its next change tries again", pod.getMetadata().getNamespace(),
                        pod.getMetadata().getName(), e);
            }
        }
    }

    /** As if the power were cut: every process dies and nothing is written. Another node may then start in its place. */
    synchronized void crash() {
        if (ended) {
            return;
        }
        ended = true;
        informer.stop();
        heartbeat.ifPresent(Thread::interrupt);
        List<Running> last = List.copyOf(pods.values());
        last.forEach(pod -> {
            pod.worker().abandon();
            pod.thread().interrupt();
        });
        services.processes().endAll(Duration.ZERO);
        services.events().close();
        forgetHook();
        unlock();
    }

    @Override
    public synchronized void close() {
        if (ended) {
            return;
        }
        ended = true;
        informer.stop();
        heartbeat.ifPresent(Thread::interrupt);
        List<Running> last = List.copyOf(pods.values());
        last.forEach(pod -> pod.worker().evict("the node was shut down", CLOSING_GRACE));
        Thread farewell = Thread.ofVirtual().name("farewell-" + config.name()).start(this::sayGoodbye);
        try {
            long until = System.nanoTime() + CLOSING_LIMIT.toNanos();
            for (Running pod : last) {
                pod.thread().join(Duration.ofNanos(Math.max(1, until - System.nanoTime())));
            }
            farewell.join(Duration.ofNanos(Math.max(1, until - System.nanoTime())));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
        services.processes().endAll(Duration.ZERO);
        last.forEach(pod -> pod.thread().interrupt());
        farewell.interrupt();
        services.events().close();
        forgetHook();
        unlock();
    }

    private void unlock() {
        try {
            lock.close();
        } catch (IOException e) {
            LOG.warn("Node {}: its lock file could not be closed", config.name(), e);
        }
    }

    private void sayGoodbye() {
        try {
            registration.unregister();
        } catch (KubernetesClientException e) {
            LOG.debug("Node {}: the API server is gone before it: {}", config.name(), e.getMessage());
        }
    }

    private void forgetHook() {
        try {
            Runtime.getRuntime().removeShutdownHook(shutdownHook);
        } catch (IllegalStateException _) {
            // The JVM is ending: the hook runs anyway and finds nothing to do.
            LOG.debug("Node {} closed while the JVM ends", config.name());
        }
    }
}
