package dev.dormouse.operator.status;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelSpec;
import dev.dormouse.api.v1alpha1.InferenceModelStatus;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.scaling.Activation;
import dev.dormouse.domain.scaling.InitialStart;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Pattern;

/** What an earlier reconcile, perhaps of an earlier operator, left in status. */
public final class StatusReader {
    /** W3C, version 00; whatever else a gateway may have written is not passed on. */
    private static final Pattern TRACEPARENT = Pattern.compile("00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}");

    private StatusReader() {}

    public static Optional<Activation> activation(ModelStatus status) {
        ModelStatus.Activation written = status.activation;
        if (written == null) {
            return Optional.empty();
        }
        Optional<Instant> started = Timestamps.parse(written.startedAt());
        if (started.isEmpty() || !written.id().matches("[0-9]{1,18}")) {
            return Optional.empty();
        }
        return Optional.of(new Activation(Long.parseLong(written.id()), reason(written.reason()), started.get(),
                Timestamps.parse(written.endedAt()).orElse(null)));
    }

    /** A first start that failed is tried again after a change of the spec. */
    public static InitialStart initialStart(InferenceModel model, ModelStatus status) {
        if (model.getSpec().scaling().initialStart() == InferenceModelSpec.InitialStart.Never) {
            return InitialStart.Never;
        }
        String state = status.initialStart == null ? "" : status.initialStart.state();
        boolean sameSpec = Objects.equals(status.observedGeneration, model.getMetadata().getGeneration());
        return switch (state) {
            case "Done" -> InitialStart.Done;
            case "Failed" -> sameSpec ? InitialStart.Failed : InitialStart.Pending;
            default -> InitialStart.Pending;
        };
    }

    public static Optional<Instant> demand(InferenceModel model) {
        InferenceModelStatus status = model.getStatus();
        return status == null || status.demand == null
                ? Optional.empty()
                : Timestamps.parse(status.demand.requestedAt());
    }

    /** Of a request that waits for the model. */
    public static Optional<String> traceparent(InferenceModel model) {
        InferenceModelStatus status = model.getStatus();
        return status == null || status.demand == null
                ? Optional.empty()
                : Optional.ofNullable(status.demand.traceparent())
                        .filter(trace -> TRACEPARENT.matcher(trace).matches());
    }

    /** When somebody told the model to sleep. */
    public static Optional<Instant> sleepRequest(InferenceModel model) {
        InferenceModelStatus status = model.getStatus();
        return status == null || status.demand == null
                ? Optional.empty()
                : Timestamps.parse(status.demand.sleepRequestedAt());
    }

    private static Activation.Reason reason(String written) {
        for (Activation.Reason reason : Activation.Reason.values()) {
            if (reason.name().equals(written)) {
                return reason;
            }
        }
        return Activation.Reason.Demand;
    }
}
