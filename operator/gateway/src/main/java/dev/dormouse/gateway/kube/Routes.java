package dev.dormouse.gateway.kube;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.api.v1alpha1.InferenceModelStatus;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.balance.Strategy;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.hold.ModelLimits;
import dev.dormouse.domain.traffic.CanarySplit;
import dev.dormouse.gateway.route.ModelRoute;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerPort;
import io.fabric8.kubernetes.api.model.Pod;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/** Reads Kubernetes objects into routes. Pure; whatever a person may have written by hand, nothing here throws. */
final class Routes {
    private static final String READY = "Ready";
    private static final int MOST_WEIGHT = 1000;

    private Routes() {}

    /** Absent for a model that is being deleted or has no spec to serve by. */
    static Optional<ModelRoute> of(InferenceModel model) {
        InferenceModelSpec spec = model.getSpec();
        if (model.getMetadata().getDeletionTimestamp() != null || spec == null || spec.model() == null) {
            return Optional.empty();
        }
        String name = model.getMetadata().getName();
        String clientName = spec.model().name() == null ? name : spec.model().name();
        Optional<InferenceModelStatus> status = Optional.ofNullable(model.getStatus());
        return Optional.of(new ModelRoute(new ModelKey(model.getMetadata().getNamespace(), name), clientName,
                spec.model().aliases(), time(model.getMetadata().getCreationTimestamp()).orElse(Instant.EPOCH),
                admission(spec.requests()), traffic(spec, model.getMetadata().getNamespace()),
                status.map(Routes::state).orElse(ModelRoute.State.UNKNOWN)));
    }

    private static ModelRoute.Traffic traffic(InferenceModelSpec spec, String namespace) {
        InferenceModelSpec.LoadBalancing balancing = spec.loadBalancing();
        Strategy strategy = switch (balancing.strategy()) {
            case LeastLoad -> new Strategy.LeastLoad();
            case RoundRobin -> new Strategy.RoundRobin();
            case Weighted -> new Strategy.Weighted();
            case PrefixHash -> new Strategy.PrefixHash(Math.max(101, balancing.boundPercent()));
        };
        return new ModelRoute.Traffic(strategy, balancing.prefixChars(), Math.max(1, balancing.ejectAfterFailures()),
                Optional.ofNullable(spec.canary()).map(canary -> canary(canary, namespace)), caching(spec),
                replicas(spec));
    }

    private static ModelRoute.Replicas replicas(InferenceModelSpec spec) {
        return spec.replicas() > 0
                ? new ModelRoute.Replicas(spec.replicas(), spec.replicas())
                : new ModelRoute.Replicas(spec.scaling().minReplicas(), spec.scaling().maxReplicas());
    }

    private static Optional<ModelRoute.ResultCaching> caching(InferenceModelSpec spec) {
        String revision = spec.model().uri() + " " + spec.model().revision() + " " + spec.engine().image();
        return spec.cache().results()
                ? Optional.of(new ModelRoute.ResultCaching(Duration.ofSeconds(spec.cache().ttlSeconds()), revision))
                : Optional.empty();
    }

    private static ModelRoute.Canary canary(InferenceModelSpec.Canary canary, String namespace) {
        Optional<CanarySplit.HeaderRule> header = Optional.ofNullable(canary.header())
                .map(name -> new CanarySplit.HeaderRule(name, Optional.ofNullable(canary.headerValue())));
        return new ModelRoute.Canary(new ModelKey(namespace, canary.model()),
                new CanarySplit(Math.clamp(canary.percent(), 0, 100), header),
                Optional.ofNullable(canary.stickyHeader()));
    }

    private static ModelRoute.Admission admission(InferenceModelSpec.Requests requests) {
        int maxQueued = requests.maxQueued() == null ? Integer.MAX_VALUE : Math.max(1, requests.maxQueued());
        ModelLimits limits = new ModelLimits(Math.max(1, requests.concurrencyLimit()),
                requests.overLimit() == InferenceModelSpec.OverLimit.Queue, maxQueued);
        ModelRoute.ColdStart coldStart = switch (requests.coldStart()) {
            case Hold -> ModelRoute.ColdStart.Hold;
            case Heartbeat -> ModelRoute.ColdStart.Heartbeat;
            case Reject -> ModelRoute.ColdStart.Reject;
        };
        return new ModelRoute.Admission(limits, Duration.ofSeconds(requests.queueTimeoutSeconds()),
                requests.priority(), coldStart);
    }

    private static ModelRoute.State state(InferenceModelStatus status) {
        boolean stalled = status.conditions.stream()
                .anyMatch(condition -> "Stalled".equals(condition.getType()) && "True".equals(condition.getStatus()));
        return new ModelRoute.State(problem(status), stalled, activation(status),
                Optional.ofNullable(status.warmup).map(Routes::warmup),
                Optional.ofNullable(status.lastWake)
                        .map(wake -> new ModelRoute.LastWake(wake.rung(), Duration.ofMillis(wake.coldStartMs()))),
                Optional.ofNullable(status.demand).flatMap(Routes::sleepOrder));
    }

    private static Optional<ModelRoute.SleepOrder> sleepOrder(InferenceModelStatus.Demand demand) {
        Integer grace = demand.sleepGraceSeconds();
        return time(demand.sleepRequestedAt())
                .map(at -> new ModelRoute.SleepOrder(at, Duration.ofSeconds(grace == null ? 0 : Math.max(0, grace))));
    }

    private static ModelRoute.Warmup warmup(ModelStatus.WarmupStatus warmup) {
        return new ModelRoute.Warmup(warmup.phase(), number(warmup.queuePosition()), number(warmup.percent()),
                number(warmup.etaSeconds()), warmup.attempt() == null ? 1 : warmup.attempt());
    }

    private static OptionalInt number(@Nullable Integer number) {
        return number == null ? OptionalInt.empty() : OptionalInt.of(number);
    }

    private static Optional<ModelRoute.Problem> problem(InferenceModelStatus status) {
        return status.conditions.stream()
                .filter(condition -> READY.equals(condition.getType()) && "False".equals(condition.getStatus()))
                .findFirst()
                .map(condition -> new ModelRoute.Problem(Objects.requireNonNullElse(condition.getReason(), "Unknown"),
                        Objects.requireNonNullElse(condition.getMessage(), "")));
    }

    private static Optional<ModelRoute.Activation> activation(InferenceModelStatus status) {
        return Optional.ofNullable(status.activation)
                .flatMap(activation -> time(activation.startedAt())
                        .map(start -> new ModelRoute.Activation(start, time(activation.endedAt()))));
    }

    private static Optional<Instant> time(@Nullable String text) {
        if (text == null) {
            return Optional.empty();
        }
        try {
            return Optional.of(Instant.parse(text));
        } catch (DateTimeException e) {
            return Optional.empty(); // Edited by hand; a demand too many is the worst that follows.
        }
    }

    /** Absent for a pod that is no model's, or that has ended. */
    static Optional<PodRoute> of(Pod pod) {
        String model = Objects.requireNonNullElse(pod.getMetadata().getLabels(), Map.<String, String>of())
                .get(PodConventions.LABEL_MODEL);
        if (model == null || pod.getStatus() == null) {
            return Optional.empty();
        }
        Map<String, String> annotations = Objects.requireNonNullElse(pod.getMetadata().getAnnotations(), Map.of());
        String phase = pod.getStatus().getPhase();
        boolean ended = "Failed".equals(phase) || "Succeeded".equals(phase);
        return Optional.of(new PodRoute(pod.getMetadata().getUid(),
                new ModelKey(pod.getMetadata().getNamespace(), model),
                Optional.ofNullable(pod.getStatus().getPodIP()).filter(ip -> !ip.isEmpty()), enginePort(pod),
                !ended && ready(pod), "true".equals(annotations.get(PodConventions.ANNOTATION_DRAINING)),
                ended || pod.getMetadata().getDeletionTimestamp() != null,
                weight(annotations.get(PodConventions.ANNOTATION_WEIGHT)),
                "h2c".equals(annotations.get(PodConventions.ANNOTATION_PROTOCOL))));
    }

    private static int weight(@Nullable String text) {
        try {
            return text == null ? 1 : Math.clamp(Integer.parseInt(text), 1, MOST_WEIGHT);
        } catch (NumberFormatException e) {
            return 1; // Written by hand; a fair share is the worst that follows.
        }
    }

    private static boolean ready(Pod pod) {
        return pod.getStatus()
                .getConditions()
                .stream()
                .anyMatch(condition -> READY.equals(condition.getType()) && "True".equals(condition.getStatus()));
    }

    /** The pod's own, not the model's present one: a replica of an older spec answers where it was told to. */
    private static int enginePort(Pod pod) {
        return pod.getSpec()
                .getContainers()
                .stream()
                .filter(container -> PodConventions.ENGINE_CONTAINER.equals(container.getName()))
                .map(Container::getPorts)
                .flatMap(ports -> ports.stream())
                .filter(port -> PodConventions.ENGINE_PORT_NAME.equals(port.getName()))
                .map(ContainerPort::getContainerPort)
                .findFirst()
                .orElse(PodConventions.ENGINE_PORT);
    }
}
