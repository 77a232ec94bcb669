package dev.dormouse.api.v1alpha1;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import org.jspecify.annotations.Nullable;

/** The whole status: what the operator writes and the wake intent of the gateways. */
@JsonInclude(JsonInclude.Include.NON_NULL)
public class InferenceModelStatus extends ModelStatus {
    @JsonPropertyDescription("Written by the gateways when a request needs the model awake.")
    public @Nullable Demand demand;

    /** @param requestedAt RFC 3339 with microseconds, field manager {@code dormouse-gateway} */
    public record Demand(
            @JsonPropertyDescription("The newest time at which a request needed the model awake.") String requestedAt) {}
}
