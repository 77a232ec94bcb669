package dev.dormouse.sidecar.api;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a model's spec asks of its warmup beyond switches and numbers. The operator hands it over in
 * {@link SidecarEnvironment#WARMUP_PLAN}.
 *
 * @param customInit the user's own step before the first request; absent: none
 * @param request what is sent instead of the engine's own probe; absent: the probe
 * @param canary whose answer must be the same after every restore; absent: nothing is compared
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record WarmupPlan(@Nullable Hook customInit, @Nullable Request request, @Nullable Canary canary) {
    public static final WarmupPlan NONE = new WarmupPlan(null, null, null);

    /**
     * Exactly one of both.
     *
     * @param exec a command that the sidecar's container runs; any other status than 0 is a failure
     * @param http a request to the engine; any other answer than 2xx is a failure
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Hook(@Nullable List<String> exec, @Nullable Request http) {}

    /** A POST of JSON to the engine. @param item stands {@code batchSize} times where the body says {@code "@batch"} */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Request(String path, String body, @Nullable String item) {}

    /**
     * @param pointer JSON pointer to the part of the answer that is compared; absent: all of it
     * @param tolerance by which numbers may differ, relative to the recorded one, absolute below 1
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Canary(String path, String body, @Nullable String pointer, double tolerance) {}
}
