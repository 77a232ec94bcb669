package dev.dormouse.cluster.kubelet;

import dev.dormouse.cluster.apiserver.PodLogs;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The nodes of a local cluster, with a hand at their power switches: what {@link Faults} annotations say is done. */
public final class LocalNodes implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(LocalNodes.class);

    private final KubernetesClient client;
    private final Map<String, NodeConfig> configs = new TreeMap<>();
    /** Those that have power. */
    private final Map<String, ProcessNode> running = new TreeMap<>();
    private final SharedIndexInformer<Node> informer;
    private boolean closed;

    /**
     * Starts all of them.
     *
     * @throws IOException when a state folder cannot be used, or another node uses it
     */
    public static LocalNodes start(KubernetesClient client, List<NodeConfig> configs) throws IOException {
        return new LocalNodes(client, configs);
    }

    private LocalNodes(KubernetesClient client, List<NodeConfig> configs) throws IOException {
        this.client = client;
        try {
            for (NodeConfig config : configs) {
                this.configs.put(config.name(), config);
                running.put(config.name(), ProcessNode.start(client, config));
            }
        } catch (IOException | RuntimeException e) {
            running.values().forEach(ProcessNode::close);
            throw e;
        }
        informer = client.nodes().inform(new ResourceEventHandler<>() {
            @Override
            public void onAdd(Node node) {
                obey(node);
            }

            @Override
            public void onUpdate(Node before, Node node) {
                obey(node);
            }

            @Override
            public void onDelete(Node node, boolean stateUnknown) {
                // The processes go on: a deleted Node object is not a switched-off machine.
            }
        });
    }

    private synchronized void obey(Node node) {
        String name = node.getMetadata().getName();
        NodeConfig config = configs.get(name);
        if (config == null || closed) {
            return;
        }
        boolean down = Faults.of(node, Faults.NODE_DOWN).filter("true"::equals).isPresent();
        @Nullable
        ProcessNode now = running.get(name);
        if (down && now != null) {
            LOG.warn("Node {} loses its power ({})", name, Faults.NODE_DOWN);
            running.remove(name);
            now.crash();
        } else if (!down && now == null) {
            try {
                now = ProcessNode.start(client, config);
                running.put(name, now);
            } catch (IOException | RuntimeException e) {
                LOG.error("Node {} does not start again; its next change tries again", name, e);
            }
        }
        if (now != null && !down) {
            now.obey(node);
        }
    }

    /** What {@code kubectl logs} shows of their pods. */
    public PodLogs logs() {
        return request -> {
            List<ProcessNode> nodes;
            synchronized (this) {
                nodes = List.copyOf(running.values());
            }
            return ProcessNode.logsOf(nodes).open(request);
        };
    }

    @Override
    public void close() {
        informer.stop();
        synchronized (this) {
            closed = true;
            List<Thread> closing = running.values()
                    .stream()
                    .map(node -> Thread.ofVirtual().name("close-" + node.name()).start(node::close))
                    .toList();
            try {
                for (Thread thread : closing) {
                    thread.join();
                }
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
            }
            running.clear();
        }
    }
}
