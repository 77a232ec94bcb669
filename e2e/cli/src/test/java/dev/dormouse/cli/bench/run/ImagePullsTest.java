package dev.dormouse.cli.bench.run;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ImagePullsTest {

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
            "Successfully pulled image \"vllm:1\" in 1m2.5s (1m4.1s including waiting). Image size: 9.1 GB. | 62500",
            "Successfully pulled image \"a\" in 842ms (842ms including waiting) | 842",
            "Successfully pulled image \"a\" in 3.25s | 3250"})
    @DisplayName("R3: the image pull of a kubelet's event, in its own durations")
    void readsTheKubeletsWords(String message, double millis) {
        assertThat(ImagePulls.millis(message)).isPresent();
        assertThat(ImagePulls.millis(message).getAsDouble()).isCloseTo(millis, within(1e-6));
    }

    @ParameterizedTest
    @ValueSource(strings = {"Container image \"a\" already present on machine",
            "Image \"a\" is the local command java"})
    void animageThatIsThereIsNotPulled(String message) {
        assertThat(ImagePulls.millis(message)).isEmpty();
    }
}
