package dev.dormouse.domain.pattern;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.domain.pattern.RequestSample.Traits;
import dev.dormouse.domain.pattern.TrafficSignals.Shape;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PatternRuleTest {
    private static final Instant T0 = Instant.parse("2026-11-21T00:00:00Z");
    private static final Shape SCALED = new Shape(OptionalDouble.empty(), 0, 4);

    private static RequestSample sample(int second, Traits traits, Duration took) {
        return new RequestSample(T0.plusSeconds(second), traits, took, Optional.of(took), 10, 20, 200);
    }

    /** One per second, each of a tenth of a second. */
    private static List<RequestSample> regular(int count, Traits traits) {
        List<RequestSample> samples = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            samples.add(sample(i, traits, Duration.ofMillis(100)));
        }
        return samples;
    }

    private static Traits traits(int batch, Optional<Duration> deadline, boolean stream, Modality... modalities) {
        return new Traits(batch, deadline, stream, Set.of(modalities), 0);
    }

    private static ServingPattern find(List<RequestSample> samples, Shape shape) {
        return PatternRule.find(TrafficSignals.of(samples, purpose -> purpose == 7, shape)).pattern();
    }

    @ParameterizedTest
    @CsvSource({"1, RealtimeInference", "32, RealtimeInference", "33, BatchInference", "1000, BatchInference"})
    @DisplayName("W47: 32 inputs are no batch, 33 are")
    void batches(int inputs, ServingPattern expected) {
        assertThat(find(regular(20, traits(inputs, Optional.empty(), false, Modality.Text)), Shape.FIXED))
                .isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({"0, 1", "99, 1", "100, 0", "101, 0"})
    @DisplayName("W47, W48: less than 100 ms is a hurry; no deadline is none")
    void hurry(long millis, double urgent) {
        Traits hurried = traits(1, Optional.of(Duration.ofMillis(millis)), false, Modality.Text);

        assertThat(TrafficSignals.of(regular(10, hurried), none -> false, Shape.FIXED).urgent()).isEqualTo(urgent);
        assertThat(TrafficSignals.of(regular(10, Traits.PLAIN), none -> false, Shape.FIXED).urgent()).isZero();
    }

    @Test
    @DisplayName("W48: fewer than ten requests say nothing")
    void few() {
        assertThat(find(List.of(), Shape.FIXED)).isEqualTo(ServingPattern.Unknown);
        assertThat(find(regular(9, Traits.PLAIN), Shape.FIXED)).isEqualTo(ServingPattern.Unknown);
        assertThat(find(regular(10, Traits.PLAIN), Shape.FIXED)).isEqualTo(ServingPattern.RealtimeInference);
    }

    @ParameterizedTest
    @CsvSource({"50, RealtimeInference", "51, StreamingInference", "100, StreamingInference"})
    @DisplayName("W48: more than half of the answers are streamed")
    void streams(int streamed, ServingPattern expected) {
        List<RequestSample> samples = new ArrayList<>(regular(100 - streamed, Traits.PLAIN));
        samples.addAll(regular(streamed, traits(1, Optional.empty(), true, Modality.Text)));

        assertThat(find(samples, Shape.FIXED)).isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({"9, RealtimeInference", "10, MultiModalServing", "90, MultiModalServing", "91, RealtimeInference"})
    @DisplayName("W48, BL15: a tenth of the requests brings another kind of input")
    void modalities(int images, ServingPattern expected) {
        List<RequestSample> samples = new ArrayList<>(regular(100 - images, Traits.PLAIN));
        samples.addAll(regular(images, traits(1, Optional.empty(), false, Modality.Image)));

        assertThat(find(samples, Shape.FIXED)).isEqualTo(expected);
    }

    @Test
    @DisplayName("W48, BL15: requests that mix text and images are multi-modal, all of one other kind are not")
    void mixedWithin() {
        assertThat(find(regular(20, traits(1, Optional.empty(), true, Modality.Text, Modality.Image)), Shape.FIXED))
                .isEqualTo(ServingPattern.MultiModalServing);
        assertThat(find(regular(20, traits(1, Optional.empty(), false, Modality.Audio)), Shape.FIXED))
                .isEqualTo(ServingPattern.RealtimeInference);
    }

    @Test
    @DisplayName("W48, W56: requests of one purpose that ask several models are an ensemble")
    void ensemble() {
        Traits fellow = new Traits(1, Optional.empty(), false, Set.of(Modality.Text), 7);
        Traits alone = new Traits(1, Optional.empty(), false, Set.of(Modality.Text), 8);

        assertThat(find(regular(20, fellow), Shape.FIXED)).isEqualTo(ServingPattern.EnsembleServing);
        assertThat(find(regular(20, alone), Shape.FIXED)).isEqualTo(ServingPattern.RealtimeInference);
    }

    @ParameterizedTest
    @CsvSource({"0.0, CanaryServing", "0.05, CanaryServing", "0.24, CanaryServing", "0.25, A_BServing",
            "0.5, A_BServing", "0.75, A_BServing", "0.76, CanaryServing"})
    @DisplayName("W48: a revision on trial is a canary, one that gets a quarter or more is a comparison")
    void trials(double share, ServingPattern expected) {
        assertThat(find(List.of(), new Shape(OptionalDouble.of(share), 0, 1))).isEqualTo(expected);
    }

    @Test
    @DisplayName("W48: many requests at once that nobody is in a hurry for, and long answers that nobody reads meanwhile, are batches")
    void unhurriedWork() {
        List<RequestSample> crowd = new ArrayList<>();
        List<RequestSample> slow = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            crowd.add(sample(i / 10, Traits.PLAIN, Duration.ofSeconds(2)));
            slow.add(sample(i * 60, Traits.PLAIN, Duration.ofSeconds(10)));
        }

        assertThat(find(crowd, Shape.FIXED)).isEqualTo(ServingPattern.BatchInference);
        assertThat(find(slow, Shape.FIXED)).isEqualTo(ServingPattern.BatchInference);
    }

    @Test
    @DisplayName("W48: bursts on a model whose replicas may come and go are auto-scaling; steady load, or fixed replicas, are not")
    void bursts() {
        List<RequestSample> bursts = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            bursts.add(sample(i / 20 * 600, Traits.PLAIN, Duration.ofMillis(100)));
        }

        assertThat(find(bursts, SCALED)).isEqualTo(ServingPattern.AutoScalingServing);
        assertThat(find(bursts, Shape.FIXED)).isEqualTo(ServingPattern.RealtimeInference);
        assertThat(find(regular(100, Traits.PLAIN), SCALED)).isEqualTo(ServingPattern.RealtimeInference);
    }

    @Test
    @DisplayName("The order in which requests ended decides nothing")
    void orderDecidesNothing() {
        List<RequestSample> samples = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            samples.add(
                    sample(i / 20 * 600, i % 3 == 0 ? traits(40, Optional.empty(), true, Modality.Text) : Traits.PLAIN,
                            Duration.ofMillis(i)));
        }
        TrafficSignals before = TrafficSignals.of(samples, none -> false, SCALED);
        Collections.shuffle(samples, new Random(1));

        TrafficSignals after = TrafficSignals.of(samples, none -> false, SCALED);
        assertThat(after.usual()).isEqualTo(before.usual()).isEqualTo(Duration.ofMillis(49));
        assertThat(after.burstiness()).isEqualTo(before.burstiness());
        assertThat(after.stream()).isEqualTo(0.34);
    }
}
