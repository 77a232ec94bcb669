package dev.dormouse.operator.gpupool;

import dev.dormouse.api.v1alpha1.GpuPool;
import dev.dormouse.api.v1alpha1.GpuPoolSpec;
import dev.dormouse.api.v1alpha1.GpuPoolStatus;
import dev.dormouse.domain.warmup.RoomLimits;
import dev.dormouse.domain.warmup.WarmupLimits;
import dev.dormouse.operator.status.Conditions;
import dev.dormouse.operator.status.Conditions.Verdict;
import dev.dormouse.operator.status.PlainStatus;
import dev.dormouse.operator.warmup.WarmupQueue;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.javaoperatorsdk.operator.api.config.informer.InformerEventSourceConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.event.ResourceID;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import io.javaoperatorsdk.operator.processing.event.source.inbound.SimpleInboundEventSource;
import io.javaoperatorsdk.operator.processing.event.source.informer.InformerEventSource;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Observes what a pool's nodes have, tells the warmup queue, and says in status what is asked of them. */
public final class GpuPoolReconciler implements Reconciler<GpuPool> {
    private final PlainStatus<GpuPoolStatus> statuses;
    private final WarmupQueue queue;
    private final Clock clock;
    private final SimpleInboundEventSource<GpuPool> signals = new SimpleInboundEventSource<>("signals");
    private @Nullable InformerEventSource<Node, GpuPool> nodes;

    public GpuPoolReconciler(KubernetesClient client, WarmupQueue queue, Clock clock) {
        this.statuses = new PlainStatus<>(client, GpuPool.class);
        this.queue = queue;
        this.clock = clock;
    }

    /** What is asked of the pool has changed. */
    public void signal(String pool) {
        if (signals.isRunning() && !pool.equals(WarmupQueue.NO_POOL)) {
            signals.propagateEvent(new ResourceID(pool));
        }
    }

    public static boolean concerns(GpuPool now, GpuPool before) {
        return !Objects.equals(now.getMetadata().getGeneration(), before.getMetadata().getGeneration())
                || !Objects.equals(now.getMetadata().getUid(), before.getMetadata().getUid());
    }

    @Override
    public List<EventSource<?, GpuPool>> prepareEventSources(EventSourceContext<GpuPool> context) {
        nodes = new InformerEventSource<>(InformerEventSourceConfiguration.from(Node.class, GpuPool.class)
                .withName("nodes")
                .withOnUpdateFilter(PoolNodes::matters)
                .withSecondaryToPrimaryMapper(node -> context.getPrimaryCache()
                        .list()
                        .map(ResourceID::fromResource)
                        .collect(Collectors.toUnmodifiableSet()))
                .build(), context);
        return List.of(nodes, signals);
    }

    @Override
    public UpdateControl<GpuPool> reconcile(GpuPool pool, Context<GpuPool> context) {
        String name = pool.getMetadata().getName();
        if (context.isPrimaryResourceDeleted()) {
            queue.forgetPool(name);
            statuses.forget(pool);
            return UpdateControl.noUpdate();
        }
        GpuPoolSpec spec = pool.getSpec() == null ? GpuPoolSpec.DEFAULT : pool.getSpec();
        Map<String, Integer> gpus = PoolNodes.gpus(spec, nodes == null ? List.of() : nodes.list().toList());
        Integer perNode = spec.warmup().maxConcurrentPerNode();
        queue.observe(name,
                WarmupLimits.ofConcurrent(spec.warmup().maxConcurrent(), perNode == null ? 0 : perNode),
                new RoomLimits(true, name, spec.resourceName(), gpus,
                        spec.capacity() == GpuPoolSpec.Capacity.Elastic && spec.maxGpus() != null
                                ? spec.maxGpus()
                                : 0));
        statuses.write(pool, status(pool, spec, gpus, queue.usage(name)));
        return UpdateControl.noUpdate();
    }

    private GpuPoolStatus status(GpuPool pool, GpuPoolSpec spec, Map<String, Integer> gpus, WarmupQueue.Usage usage) {
        GpuPoolStatus last = pool.getStatus() == null ? new GpuPoolStatus() : pool.getStatus();
        GpuPoolStatus next = new GpuPoolStatus();
        next.observedGeneration = pool.getMetadata().getGeneration();
        next.nodes = gpus.size();
        next.gpus = gpus.values().stream().mapToInt(Integer::intValue).sum();
        next.largestNode = gpus.values().stream().mapToInt(Integer::intValue).max().orElse(0);
        next.gpusInUse = usage.gpus();
        next.warming = usage.warming();
        next.queued = usage.queued();
        Conditions conditions = Conditions.after(last.conditions, next.observedGeneration, clock.instant());
        boolean elastic = spec.capacity() == GpuPoolSpec.Capacity.Elastic;
        if (!gpus.isEmpty()) {
            conditions.add(Conditions.READY, Verdict.True, "NodesReady",
                    next.gpus + " " + spec.resourceName() + " on " + gpus.size() + " nodes");
        } else if (elastic) {
            conditions.add(Conditions.READY, Verdict.True, "NoNodesYet",
                    "no node yet; up to " + spec.maxGpus() + " GPUs may be asked for");
        } else {
            conditions.add(Conditions.READY, Verdict.False, "NoNodes", "no ready node matches " + spec.nodeSelector()
                    + ", has " + spec.resourceName() + " and no taint that the pool does not tolerate");
        }
        next.conditions = conditions.list();
        return next;
    }
}
