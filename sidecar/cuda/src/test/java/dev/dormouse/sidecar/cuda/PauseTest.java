package dev.dormouse.sidecar.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

class PauseTest {
    private final List<String> said = new CopyOnWriteArrayList<>();
    private final CountDownLatch resumed = new CountDownLatch(1);
    private final EngineHooks hooks = new EngineHooks() {
        @Override
        public void quiesce(int maxPauseSeconds) {
            said.add("quiesce " + maxPauseSeconds);
            if (maxPauseSeconds == 77) {
                throw new CudaException("cuCtxSynchronize", 999, "CUDA_ERROR_UNKNOWN");
            }
        }

        @Override
        public void resume() {
            said.add("resume");
            resumed.countDown();
        }
    };

    @Test
    @DisplayName("S17: an engine is resumed once for each time it was paused, and not otherwise")
    void onceEach() {
        try (Pause pause = new Pause(hooks)) {
            pause.end();
            pause.begin(30);
            pause.end();
            pause.end();
        }
        assertThat(said).containsExactly("quiesce 30", "resume");
    }

    @Test
    @DisplayName("S17: an engine goes on by itself when the pause was too long")
    void tooLong() throws InterruptedException {
        try (Pause pause = new Pause(hooks)) {
            pause.begin(0);
            assertThat(resumed.await(10, TimeUnit.SECONDS)).isTrue();
            pause.end();
        }
        assertThat(said).containsExactly("quiesce 0", "resume");
    }

    @Test
    @DisplayName("S17: an engine goes on when its sidecar is gone, and after half a pause")
    void goneAndHalf() {
        try (Pause pause = new Pause(hooks)) {
            pause.begin(30);
        }
        try (Pause pause = new Pause(hooks)) {
            assertThatThrownBy(() -> pause.begin(77)).isInstanceOf(CudaException.class);
            pause.end();
        }
        assertThat(said).containsExactly("quiesce 30", "resume", "quiesce 77", "resume");
    }
}
