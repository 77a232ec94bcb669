package dev.dormouse.operator.inferencemodel;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.operator.status.ModelEvent;
import dev.dormouse.operator.status.StatusReader;
import dev.dormouse.sidecar.api.PodConventions;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;

/**
 * The distributed trace of the request that a model wakes for, as a gateway wrote it beside its demand: named in the
 * wake's event, and handed on in the pod's annotation. The operator sends no spans of its own.
 */
final class WakeTrace {
    private WakeTrace() {}

    static Pod continuedBy(Pod pod, InferenceModel model, Activation activation) {
        if (activation.reason() != Activation.Reason.Demand) {
            return pod;
        }
        return StatusReader.traceparent(model)
                .map(trace -> new PodBuilder(pod).editMetadata()
                        .addToAnnotations(PodConventions.ANNOTATION_TRACEPARENT, trace)
                        .endMetadata()
                        .build())
                .orElse(pod);
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
