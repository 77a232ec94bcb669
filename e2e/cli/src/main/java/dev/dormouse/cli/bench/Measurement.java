package dev.dormouse.cli.bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import dev.dormouse.cli.figures.Figure.Better;
import java.util.List;

/**
 * One key of a run: every sample, in the order of the starts.
 *
 * @param unit {@code ms}, {@code GB/s}, {@code bytes}, {@code ratio}
 * @param better which direction is good
 * @param samples what counts; never empty
 * @param discarded the warm-up starts before them, kept to be looked at (R24)
 */
@JsonIgnoreProperties(value = "summary", allowGetters = true)
public record Measurement(String unit, Better better, List<Double> samples, List<Double> discarded) {

    public Measurement {
        samples = List.copyOf(samples);
        discarded = List.copyOf(discarded);
        if (samples.isEmpty()) {
            throw new IllegalArgumentException("a measurement without samples");
        }
        if (samples.stream().anyMatch(sample -> !Double.isFinite(sample))) {
            throw new IllegalArgumentException("a measurement with a sample that is no number");
        }
    }

    /** Computed from the samples; written for readers of the file, never read back. */
    @JsonProperty
    public Summary summary() {
        return Summary.of(samples);
    }
}
