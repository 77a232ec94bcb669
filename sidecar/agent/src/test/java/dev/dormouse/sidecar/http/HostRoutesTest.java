package dev.dormouse.sidecar.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.sidecar.device.Accelerator;
import dev.dormouse.sidecar.host.HostFiles;
import dev.dormouse.sidecar.host.Sampler;
import java.io.IOException;
import java.time.Clock;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class HostRoutesTest {
    private static final Accelerator GPU = new Accelerator("NVIDIA H200", "GPU-8f2d", "sm_90", 1L << 37, "", 12_060);

    @Test
    @DisplayName("BL42: /hardware is JSON, /hardware.txt a summary")
    void hardware() throws IOException {
        var routes = new HostRoutes(HostFiles.OF_THIS_CONTAINER, () -> Optional.of(GPU), null);

        assertThat(routes.answer("/hardware", null)).hasValueSatisfying(answer -> {
            assertThat(answer.type()).isEqualTo("application/json");
            assertThat(answer.body()).contains("\"accelerators\":[{\"name\":\"NVIDIA H200\"", "\"memoryLimitBytes\":");
        });
        assertThat(routes.answer("/hardware.txt", null)).hasValueSatisfying(answer -> assertThat(answer.body())
                .contains("gpu     NVIDIA H200 (sm_90), 128.0 GiB, GPU-8f2d, driver unknown, CUDA 12.6"));
        assertThat(routes.answer("/software", null)).isEmpty();
    }

    @Test
    @DisplayName("BL41: /performance is a list, those after a moment, and 503 where sampling is switched off")
    void performance() throws IOException {
        try (Sampler sampler = Sampler.start(HostFiles.OF_THIS_CONTAINER, Map::of, Clock.systemUTC(),
                Sampler.SHORTEST)) {
            var routes = new HostRoutes(HostFiles.OF_THIS_CONTAINER, Optional::empty, sampler);
            assertThat(routes.answer("/performance", "after=5")).contains(new HostRoutes.Answer(200,
                    "application/json", "[]\n"));
            assertThat(routes.answer("/performance", "after=yesterday").orElseThrow().code()).isEqualTo(400);
        }
        var off = new HostRoutes(HostFiles.OF_THIS_CONTAINER, Optional::empty, null);
        assertThat(off.answer("/performance", null).orElseThrow().code()).isEqualTo(503);
    }
}
