package dev.dormouse.gpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.dormouse.sidecar.cuda.CudaContext;
import dev.dormouse.sidecar.cuda.CudaUnavailableException;
import org.junit.jupiter.api.Test;

/** The stand-in keeps the rules that docs/stand-in.md states; what a real GPU says to the same is for e2e/gpu/run to report. */
class WrongUsesTest {
    @Test
    void theStandInAnswersAsItsRulesSay() throws Exception {
        CudaContext context;
        try {
            context = CudaContext.open(0);
        } catch (CudaUnavailableException e) {
            assumeTrue(false, "neither a CUDA driver nor its stand-in (gcc): " + e.getMessage());
            return;
        }
        try (context) {
            assumeTrue(context.name().equals("Dormouse stand-in"), "a real GPU");

            assertThat(WrongUses.all(context)).hasSizeGreaterThan(15)
                    .allSatisfy(answer -> assertThat(answer.code()).as(answer.name()).isEqualTo(answer.expected()));
        }
    }
}
