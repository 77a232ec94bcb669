package dev.dormouse.domain.scaling;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.time.Duration;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.api.Test;

class ScalingPolicyTest {

    @ParameterizedTest(name = "replicas {0}, min {1}, max {2}: {3} requests need {4}")
    @CsvSource({"0,0,1,0,1", "0,0,1,500,1", "0,0,4,10,1", "0,0,4,11,2", "0,0,4,1000,4", "0,2,4,0,2", "3,0,1,0,3",
            "3,0,1,1000,3"})
    @DisplayName("Replicas follow requests within the bounds; a fixed number is exactly that")
    void replicasFollowRequests(int replicas, int min, int max, int requests, int expected) {
        assertThat(new ScalingPolicy(replicas, min, max, 10, Duration.ofSeconds(1)).replicasFor(requests))
                .isEqualTo(expected);
    }

    @Test
    @DisplayName("Bounds that contradict each other are refused")
    void impossibleBoundsAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new ScalingPolicy(0, 2, 1, 10, Duration.ZERO))
                .withMessageContaining("min 2, max 1");
    }
}
