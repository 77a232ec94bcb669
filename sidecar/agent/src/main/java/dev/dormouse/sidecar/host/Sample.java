package dev.dormouse.sidecar.host;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * How busy it was at one moment (BL41). What there is no source for is absent.
 *
 * @param cpuMicros processor time of the container so far: the difference of two samples is what it used between them
 * @param memoryBytes of the container, page cache included
 * @param load of the machine
 * @param receivedBytes by the pod so far
 * @param gpu by the names of the metrics, without their prefix; empty without a GPU
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Sample(long atEpochMicros, @Nullable Long cpuMicros, @Nullable Long memoryBytes,
        @Nullable Long swapBytes, @Nullable Double load, long receivedBytes, long sentBytes, Map<String, Double> gpu) {
    public Sample {
        gpu = Map.copyOf(gpu);
    }
}
