package dev.dormouse.sidecar.cuda;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import jcuda.driver.CUgraph;
import jcuda.driver.JCudaDriver;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** JCuda over the stand-in: nothing that it binds is missing, and errors say what to do. */
class StandInTest {
    private static final Path DRIVER = Path.of(System.getProperty("dormouse.cuda.driver"));

    @BeforeEach
    void needsTheStandIn() throws Exception {
        assumeTrue(Files.exists(DRIVER), "no gcc, no stand-in");
        CudaContext.devices();
    }

    @Test
    void everyFunctionThatJCudaBindsIsThere() throws Exception {
        Path jcuda;
        try (var files = Files.list(Path.of(System.getProperty("java.library.path")))) {
            jcuda = files.filter(file -> file.toString().contains("JCudaDriver")).findFirst().orElseThrow();
        }
        Set<String> bound = symbols(jcuda, "--undefined-only");

        assertThat(bound).hasSize(312);
        assertThat(symbols(DRIVER, "--defined-only")).containsAll(bound);
    }

    private static Set<String> symbols(Path library, String which) throws Exception {
        try {
            Process nm = new ProcessBuilder("nm", "-D", which, library.toString()).start();
            String text = new String(nm.getInputStream().readAllBytes(), UTF_8);
            assertThat(nm.waitFor()).isZero();
            return Arrays.stream(text.split("\n"))
                    .map(line -> line.strip().substring(line.strip().lastIndexOf(' ') + 1))
                    .filter(name -> name.matches("cu[A-Z].*"))
                    .collect(Collectors.toCollection(TreeSet::new));
        } catch (IOException e) {
            assumeTrue(false, "no nm: " + e.getMessage());
            throw e;
        }
    }

    @Test
    void whatIsNotImplementedSaysSoInsteadOfEndingTheProcess() {
        assertThatExceptionOfType(CudaException.class)
                .isThrownBy(() -> Driver.check("cuGraphCreate", JCudaDriver.cuGraphCreate(new CUgraph(), 0)))
                .withMessage("cuGraphCreate: CUDA_ERROR_NOT_SUPPORTED (801): this device, driver or virtualization does"
                        + " not offer it");
    }

    @Test
    void aDeviceThatIsNotThereIsSaidInOneLine() {
        assertThatExceptionOfType(CudaUnavailableException.class).isThrownBy(() -> CudaContext.open(7))
                .withMessage("there is no GPU 7: the driver shows 1 to this container");
    }

    @Test
    void aThreadWithoutAContextGetsOneByItself() throws Exception {
        try (CudaContext context = CudaContext.open(0)) {
            long[] free = new long[1];
            Thread other = Thread.ofPlatform().start(() -> free[0] = context.freeBytes());
            other.join();

            assertThat(free[0]).isPositive();
            assertThat(context.uuid()).matches("GPU-[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}");
            assertThat(context.architecture()).isEqualTo("sm_90");
        }
    }
}
