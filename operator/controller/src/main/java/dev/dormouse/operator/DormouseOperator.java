package dev.dormouse.operator;

import dev.dormouse.api.v1alpha1.GpuPool;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelSnapshot;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.warmup.WarmupLimits;
import dev.dormouse.operator.demand.GatewayAddresses;
import dev.dormouse.operator.demand.GatewayScraper;
import dev.dormouse.operator.desired.SidecarSettings;
import dev.dormouse.operator.gpupool.GpuPoolReconciler;
import dev.dormouse.operator.inferencemodel.InferenceModelReconciler;
import dev.dormouse.operator.inferencemodel.ModelEventSources;
import dev.dormouse.operator.inferencemodel.ModelSignals;
import dev.dormouse.operator.inferencemodel.ReconcileSettings;
import dev.dormouse.operator.inferencemodel.Rehearsal;
import dev.dormouse.operator.inferencemodel.Services;
import dev.dormouse.operator.inferencemodel.WakeTrace;
import dev.dormouse.operator.modelsnapshot.ModelSnapshotReconciler;
import dev.dormouse.operator.modelsnapshot.ModelSnapshotReconciler.StoreSettings;
import dev.dormouse.operator.modelsnapshot.Volumes;
import dev.dormouse.operator.observe.EventRecorder;
import dev.dormouse.operator.observe.Liveness;
import dev.dormouse.operator.observe.OperatorMetrics;
import dev.dormouse.operator.observe.ProbeServer;
import dev.dormouse.operator.observe.StartDiagnosis;
import dev.dormouse.operator.sidecar.SidecarAddress;
import dev.dormouse.operator.sidecar.SidecarFollower;
import dev.dormouse.operator.status.StatusWriter;
import dev.dormouse.operator.warmup.WarmupQueue;
import dev.dormouse.sidecar.api.SidecarTls;
import dev.dormouse.trace.OtlpExport;
import dev.dormouse.trace.OtlpSteps;
import dev.dormouse.trace.StepTracing;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.PersistentVolumeClaim;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.javaoperatorsdk.operator.Operator;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.processing.event.rate.LinearRateLimiter;
import io.javaoperatorsdk.operator.processing.event.source.filter.OnUpdateFilter;
import io.javaoperatorsdk.operator.processing.retry.GenericRetry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The operator, wired: everything between configuration and a running controller. Does not own the client. */
public final class DormouseOperator implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DormouseOperator.class);
    /** A resync against what no event told; the informers' own may stop silently (fabric8 issue 7435, fixed in 7.8). */
    private static final Duration RESYNC = Duration.ofMinutes(5);
    /** The client tries a broken watch again within half a minute. */
    private static final Duration DEAD_WATCH = Duration.ofMinutes(2);
    /** Each mostly waits for two answers of the API server; the SDK's own 50 cost a stack each, for as long as the process lives. */
    private static final int RECONCILERS = 16;
    private static final Duration RECONCILES_END_WITHIN = Duration.ofSeconds(10);
    /** The SDK would go on without what it could not list; to decide on half of what exists is worse than to wait. */
    private static final Duration REHEARSAL_AFTER = Duration.ofSeconds(1);
    private static final int REHEARSALS = 20;
    private static final Duration UNTIL_IT_WORKS = Duration.ofDays(3650);
    private static final List<Class<? extends HasMetadata>> WATCHED = List.of(InferenceModel.class,
            ModelSnapshot.class, GpuPool.class, Pod.class, PersistentVolumeClaim.class, Node.class);

    private static final GenericRetry RETRY = new GenericRetry().setInitialInterval(100)
            .setIntervalMultiplier(2)
            .setMaxInterval(30_000)
            .withoutMaxAttempts();

    private final OperatorConfig config;
    private final ModelSignals signals = new ModelSignals();
    private final OperatorMetrics metrics = new OperatorMetrics();
    private final StepTracing tracing;
    private final SidecarFollower sidecars;
    private final GatewayScraper gateways;
    private final Volumes volumes;
    private final Leadership leadership;
    private final Operator operator;
    private final ProbeServer probes;
    private final StartDiagnosis diagnosis;
    private final Rehearsal rehearsal;
    private volatile boolean started;

    /**
     * @param leadershipLost called when another process may lead: this one must not write any more
     * @throws IOException if the HTTP server cannot listen, or the sidecars' authority is none
     */
    public DormouseOperator(KubernetesClient client, OperatorConfig config, Clock clock, Runnable leadershipLost)
            throws IOException {
        this.config = config;
        this.tracing = config.traces()
                .<StepTracing>map(traces -> new OtlpSteps(
                        OtlpExport.to(traces.endpoint(), "dormouse-operator", traces.instance(), 1)))
                .orElse(StepTracing.OFF);
        SidecarAddress address = SidecarAddress.of(trust(config));
        SidecarSettings sidecar = new SidecarSettings(config.sidecarImage(), config.sidecarTlsSecret());
        this.sidecars = new SidecarFollower(address, signals);
        this.gateways = new GatewayScraper(config.gatewayUrl().map(GatewayAddresses::of), config.scrapeInterval(),
                config.drainTimeout(), clock, signals);
        this.leadership = new Leadership(client, config, leadershipLost);
        WarmupQueue warmups = new WarmupQueue(WarmupLimits.ofConcurrent(config.warmupMaxConcurrent()), clock, signals);
        metrics.watch(warmups);
        metrics.watchInformers(this::watchesRun);
        metrics.watchLeader(leadership::leads);
        ModelSnapshotReconciler snapshots = new ModelSnapshotReconciler(client, new StoreSettings(
                config.namespace() + "/dormouse-operator", sidecar, config.storeDeadline()), address, clock, signals);
        this.volumes = snapshots.volumes();
        metrics.watchSnapshots(volumes::states);
        Services services = new Services(client, new ReconcileSettings(sidecar, config.cleanupDeadline()),
                clock, new StatusWriter(client), sidecars, gateways, warmups, new EventRecorder(client, clock),
                metrics, volumes, new WakeTrace(tracing, config.traces().map(OperatorConfig.Traces::endpoint), clock));
        this.rehearsal = new Rehearsal(services, REHEARSALS);
        this.operator = operator(client);
        this.diagnosis = new StartDiagnosis(client, WATCHED, config.watchNamespaces());
        register(new InferenceModelReconciler(services, signals), "inferencemodel", ModelEventSources::concerns);
        register(snapshots, "modelsnapshot", ModelSnapshotReconciler::concerns);
        registerPools(new GpuPoolReconciler(client, warmups, clock), warmups);
        this.probes = new ProbeServer(new InetSocketAddress(config.bind(), config.httpPort()),
                new Liveness(this::watchesRun, DEAD_WATCH, clock), this::unready,
                metrics::scrape);
    }

    private static Optional<SidecarTls> trust(OperatorConfig config) throws IOException {
        return config.sidecarAuthority().isPresent()
                ? Optional.of(new SidecarTls(config.sidecarAuthority().get()))
                : Optional.empty();
    }

    /**
     * Returns once the caches are filled; reconciles begin at once, or when this process leads. As long as the API server
     * does not answer, or refuses a list or a watch, it waits and says for what.
     */
    public void start() {
        gateways.start();
        diagnosis.begin();
        try {
            operator.start();
        } finally {
            diagnosis.close();
        }
        started = true;
        // After the first reconciles, which have the processor to themselves.
        CompletableFuture.delayedExecutor(REHEARSAL_AFTER.toMillis(), TimeUnit.MILLISECONDS,
                Thread.ofPlatform().daemon().name("rehearsal")::start).execute(this::rehearse);
        LOG.info("operator started; probes and metrics on {}:{}", config.bind(), probes.port());
    }

    private void rehearse() {
        if (started) {
            var unused = rehearsal.run();
        }
    }

    /** Has a model reconciled, as an event about it would. */
    void signal(ModelKey model) {
        signals.accept(model);
    }

    public int httpPort() {
        return probes.port();
    }

    /** Ends reconciles in progress, then gives the lease back, so that the next operator need not wait for its end. */
    @Override
    public void close() {
        leadership.stopping();
        // One that waits for its first lists has nothing to finish, and would wait for them.
        if (started) {
            started = false;
            operator.stop();
            leadership.release();
        }
        diagnosis.close();
        gateways.close();
        volumes.close();
        sidecars.close();
        probes.close();
        tracing.close();
    }

    /** A standby is ready too: its caches are warm and it takes over within a lease. */
    private Optional<String> unready() {
        if (!started) {
            return Optional.of(diagnosis.missing().orElse("the first lists are under way"));
        }
        return operator.getRuntimeInfo().allEventSourcesAreHealthy()
                ? Optional.empty()
                : Optional.of("a watch does not run");
    }

    private boolean watchesRun() {
        return !started || operator.getRuntimeInfo().allEventSourcesAreHealthy();
    }

    private Operator operator(KubernetesClient client) {
        return new Operator(overrider -> {
            overrider.withKubernetesClient(client)
                    .withCloseClientOnStop(false)
                    .withReconciliationTerminationTimeout(RECONCILES_END_WITHIN)
                    .withConcurrentReconciliationThreads(RECONCILERS)
                    // An API server that is not there yet, or rights that somebody is about to grant: no reason to end.
                    .withStopOnInformerErrorDuringStartup(false)
                    .withCacheSyncTimeout(UNTIL_IT_WORKS)
                    .withUseSSAToPatchPrimaryResource(true);
            leadership.configuration().ifPresent(overrider::withLeaderElectionConfiguration);
        });
    }

    /** Cluster-scoped, whatever namespaces are watched; what many models change at once is written once a second. */
    private void registerPools(GpuPoolReconciler pools, WarmupQueue warmups) {
        warmups.onPoolChange(pools::signal);
        operator.register(pools, controller -> controller.withName("gpupool")
                .withGenerationAware(false)
                .withOnUpdateFilter(GpuPoolReconciler::concerns)
                .withTriggerReconcilerOnAllEvents(true)
                .withRateLimiter(new LinearRateLimiter(Duration.ofSeconds(1), 2))
                .withReconciliationMaxInterval(RESYNC)
                .withRetry(RETRY));
    }

    private <P extends HasMetadata> void register(Reconciler<P> reconciler, String name,
            OnUpdateFilter<P> concerns) {
        operator.register(reconciler, controller -> {
            controller.withName(name)
                    .withGenerationAware(false)
                    .withOnUpdateFilter(concerns)
                    .withTriggerReconcilerOnAllEvents(true)
                    .withReconciliationMaxInterval(RESYNC)
                    .withRetry(RETRY);
            if (!config.watchNamespaces().isEmpty()) {
                controller.settingNamespaces(config.watchNamespaces());
            }
        });
    }
}
