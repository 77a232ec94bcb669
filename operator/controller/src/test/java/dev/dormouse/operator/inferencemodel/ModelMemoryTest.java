package dev.dormouse.operator.inferencemodel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.domain.fleet.Replica;
import dev.dormouse.domain.fleet.Replica.Phase;
import dev.dormouse.domain.fleet.Replica.Problem;
import dev.dormouse.domain.warmup.Ladder;
import dev.dormouse.domain.warmup.Ladder.Rung;
import dev.dormouse.operator.status.ObservedReplica;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class ModelMemoryTest {
    private static final Instant NOW = Instant.parse("2026-11-21T00:00:00Z");

    private final ModelMemory memory = new ModelMemory(new ModelStatus(), "t", NOW);

    @Test
    @DisplayName("Design §5: after a replica that hung on its snapshot the next ones come up from source, until one is ready")
    void afterAHangOnTheSnapshotTheNextComesFromSource() {
        assertThat(rungs("t")).containsExactly(Rung.Volume, Rung.Cold);
        assertThat(rungs("t", failed("WarmupDeadlineExceeded", true))).containsExactly(Rung.Cold);

        assertThat(rungs("t")).as("its pod is gone, what it taught is not").containsExactly(Rung.Cold);
        assertThat(rungs("other")).as("another spec").containsExactly(Rung.Volume, Rung.Cold);
        assertThat(rungs("t", pod(Phase.Ready, false, null))).containsExactly(Rung.Volume, Rung.Cold);
        assertThat(rungs("t")).containsExactly(Rung.Volume, Rung.Cold);
    }

    @Test
    @DisplayName("What failed otherwise, or from source, does not keep the next one from the snapshot")
    void otherFailuresLeaveTheSnapshotInUse() {
        assertThat(rungs("t", failed("WarmupFailed", true))).containsExactly(Rung.Volume, Rung.Cold);
        assertThat(rungs("t", failed("WarmupDeadlineExceeded", false))).containsExactly(Rung.Volume, Rung.Cold);
    }

    private List<Rung> rungs(String template, ObservedReplica... pods) {
        Ladder.Climb climb = memory.climb(List.of(pods), template, Duration.ofSeconds(600), true);
        return climb.rungs();
    }

    private static ObservedReplica failed(String reason, boolean restored) {
        return pod(Phase.Failed, restored, new Problem(reason, "on purpose"));
    }

    private static ObservedReplica pod(Phase phase, boolean restored, @Nullable Problem problem) {
        return new ObservedReplica(new Replica("p", "u", "t", phase, false, NOW, null, true, problem, restored),
                Optional.empty(), "1");
    }
}
