package dev.dormouse.operator.status;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.InferenceModelStatus;
import dev.dormouse.api.v1alpha1.ModelStatus;
import dev.dormouse.operator.TestCluster;
import java.io.IOException;
import java.time.Instant;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class StatusWriterTest {
    private static final Instant DEMAND = Instant.parse("2026-11-21T10:00:00.123456Z");

    private TestCluster cluster;
    private StatusWriter writer;

    @BeforeEach
    void start() throws IOException {
        cluster = new TestCluster();
        writer = new StatusWriter(cluster.client());
    }

    @AfterEach
    void stop() {
        cluster.close();
    }

    @Test
    @DisplayName("Design §4: a demand written between our read and our status patch is not lost")
    void aDemandWrittenBetweenReadAndPatchStays() {
        InferenceModel read = cluster.create("m", "");
        cluster.demand("m", DEMAND);

        boolean written = writer.write(read, status("Cold"));

        assertThat(written).isTrue();
        InferenceModelStatus now = Objects.requireNonNull(cluster.model("m").getStatus());
        assertThat(now.rung).isEqualTo("Cold");
        assertThat(now.demand).isEqualTo(new InferenceModelStatus.Demand(DEMAND.toString()));
    }

    @Test
    void theSameStatusIsNotWrittenTwiceThoughTheCacheIsBehind() {
        InferenceModel stale = cluster.create("m", "");
        writer.write(stale, status("Cold"));
        String version = cluster.model("m").getMetadata().getResourceVersion();

        assertThat(writer.write(stale, status("Cold"))).isFalse();
        assertThat(writer.latest(stale).rung).isEqualTo("Cold");
        assertThat(cluster.model("m").getMetadata().getResourceVersion()).isEqualTo(version);
    }

    @Test
    void aRestartedWriterComparesWithWhatIsThere() {
        writer.write(cluster.create("m", ""), status("Cold"));

        StatusWriter restarted = new StatusWriter(cluster.client());

        assertThat(restarted.write(cluster.model("m"), status("Cold"))).isFalse();
        assertThat(restarted.write(cluster.model("m"), status("Volume"))).isTrue();
    }

    @Test
    void whatIsNoLongerSaidDisappears() {
        InferenceModel model = cluster.create("m", "");
        ModelStatus queued = status("Cold");
        queued.warmup = new ModelStatus.WarmupStatus("Queued", 3, null, null, 1, null, null, null, null, null, null,
                null);
        writer.write(model, queued);

        writer.write(cluster.model("m"), status("Cold"));

        assertThat(Objects.requireNonNull(cluster.model("m").getStatus()).warmup).isNull();
    }

    @Test
    void aModelThatIsGoneIsNoError() {
        InferenceModel model = cluster.create("m", "");
        cluster.client().resource(model).delete();

        assertThat(writer.write(model, status("Cold"))).isFalse();
    }

    private static ModelStatus status(String rung) {
        ModelStatus status = new ModelStatus();
        status.observedGeneration = 1L;
        status.rung = rung;
        return status;
    }
}
