package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.warmup.Ladder.Climb;
import dev.dormouse.operator.inferencemodel.Pods.Creation;
import dev.dormouse.operator.inferencemodel.Pods.Creation.Refused;
import dev.dormouse.operator.status.ModelEvent;
import dev.dormouse.operator.status.StatusReader;
import dev.dormouse.operator.status.Timestamps;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import dev.dormouse.trace.Step;
import dev.dormouse.trace.StepTracing;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import java.time.Clock;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * The distributed trace of the request that a model wakes for, as a gateway wrote it beside its demand: named in the
 * wake's event, continued by a span from the decision to wake until the pod is there, and handed on to that pod's
 * sidecar.
 */
public final class WakeTrace {
    /** The flag in which {@code traceparent} ends. */
    private static final int RECORDED = 1;

    private final StepTracing steps;
    private final Optional<String> collector;
    private final Clock clock;

    /** @param collector where sidecars send their spans; absent: nowhere */
    public WakeTrace(StepTracing steps, Optional<String> collector, Clock clock) {
        this.steps = steps;
        this.collector = collector;
        this.clock = clock;
    }

    /** @return what becomes of the pod */
    Creation create(Pod pod, InferenceModel model, Activation activation, Climb climb,
            Function<Pod, Creation> creation) {
        Optional<String> waiting = waiting(model, activation);
        if (waiting.isEmpty()) {
            return creation.apply(pod);
        }
        Step step = steps.begin(waiting.get(), "start replica", activation.startedAt())
                .with("dormouse.model", model.getMetadata().getNamespace() + "/" + model.getMetadata().getName())
                .with("dormouse.rung", climb.rungs().getFirst().name())
                .with("k8s.pod.name", pod.getMetadata().getName());
        try {
            Creation outcome = creation.apply(continued(pod, step.traceparent().orElse(waiting.get())));
            if (outcome instanceof Refused refused) {
                step.failed(refused.why().problem().reason());
            }
            return outcome;
        } catch (RuntimeException e) {
            step.failed(String.valueOf(e.getMessage()));
            throw e;
        } finally {
            step.end(clock.instant());
        }
    }

    /** Nobody waits any more for a model that has served in this activation: a later replica has no trace. */
    private static Optional<String> waiting(InferenceModel model, Activation activation) {
        ModelStatus status = model.getStatus();
        boolean served = status != null && status.lastWake != null && Timestamps.parse(status.lastWake.at())
                .filter(at -> !at.isBefore(activation.startedAt()))
                .isPresent();
        return activation.reason() != Activation.Reason.Demand || served
                ? Optional.empty()
                : StatusReader.traceparent(model);
    }

    private Pod continued(Pod pod, String traceparent) {
        return new PodBuilder(pod).editMetadata()
                .addToAnnotations(PodConventions.ANNOTATION_TRACEPARENT, traceparent)
                .endMetadata()
                .editSpec()
                .editMatchingInitContainer(container -> PodConventions.SIDECAR_CONTAINER.equals(container.getName()))
                .addAllToEnv(environment(traceparent))
                .endInitContainer()
                .endSpec()
                .build();
    }

    /** A sidecar whose spans nobody keeps need not even load what sends them. */
    private List<EnvVar> environment(String traceparent) {
        boolean recorded = (Character.digit(traceparent.charAt(traceparent.length() - 1), 16) & RECORDED) != 0;
        return collector.filter(endpoint -> recorded)
                .map(endpoint -> List.of(new EnvVar(SidecarEnvironment.OTLP_ENDPOINT, endpoint, null),
                        new EnvVar(SidecarEnvironment.TRACEPARENT, traceparent, null)))
                .orElse(List.of());
    }

    static ModelEvent namedIn(ModelEvent event, InferenceModel model, ModelStatus next) {
        boolean wake = event.reason().equals(ModelEvent.WAKE_STARTED) && next.activation != null
                && next.activation.reason().equals(Activation.Reason.Demand.name());
        return StatusReader.traceparent(model)
                .filter(trace -> wake)
                .map(trace -> new ModelEvent(event.warning(), event.reason(),
                        event.message() + "; trace " + trace.split("-", -1)[1], event.about()))
                .orElse(event);
    }
}
