package dev.dormouse.api.v1alpha1;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import org.jspecify.annotations.Nullable;

/** The whole status: what the operator writes and the wake intent of the gateways. */
@JsonInclude(JsonInclude.Include.NON_NULL)
public class InferenceModelStatus extends ModelStatus {
    @JsonPropertyDescription("Written by the gateways when a request needs the model awake, or a person wants it asleep.")
    public @Nullable Demand demand;

    /**
     * Times in RFC 3339 with microseconds.
     *
     * @param requestedAt field manager {@code dormouse-gateway}
     * @param traceparent likewise
     * @param sleepRequestedAt field manager {@code dormouse-gateway-admin}, like the grace: an apply of the one keeps the other
     */
    public record Demand(
            @JsonPropertyDescription("The newest time at which a request needed the model awake.") @Nullable String requestedAt,
            @JsonPropertyDescription("W3C trace context of a request that waits for the wake.") @Nullable String traceparent,
            @JsonPropertyDescription("The newest time at which somebody told the model to sleep at once; a later request wakes it again.") @Nullable String sleepRequestedAt,
            @JsonPropertyDescription("Running requests have so long to finish then; the gateways end those that take longer.") @Nullable Integer sleepGraceSeconds) {

        public Demand(String requestedAt) {
            this(requestedAt, null, null, null);
        }
    }
}
