package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.cluster.EmbeddedControlPlane;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** Each file of {@code crds/src/test/cases} is taken, or refused with the words on its first line. */
class CrdCasesTest {
    private static final Path HOME = Path.of(System.getProperty("dormouse.home"));
    private static final String EXPECTED = "# expected: ";

    @TempDir
    static Path state;

    private static EmbeddedControlPlane cluster;

    @BeforeAll
    static void start() throws IOException {
        cluster = EmbeddedControlPlane.start(state);
        try (Stream<Path> types = Files.list(HOME.resolve("crds/src/main/resources/crds"))) {
            for (Path type : types.sorted().toList()) {
                cluster.apply(Files.readString(type));
            }
        }
    }

    @AfterAll
    static void stop() {
        cluster.close();
    }

    @TestFactory
    @DisplayName("H8, L6, S3: schema and CEL rules, with messages a person can act on")
    Stream<DynamicTest> cases() throws IOException {
        List<Path> files;
        try (Stream<Path> found = Files.list(HOME.resolve("crds/src/test/cases"))) {
            files = found.sorted().toList();
        }
        assertThat(files).hasSizeGreaterThan(10);
        return files.stream().map(file -> DynamicTest.dynamicTest(file.getFileName().toString(), () -> check(file)));
    }

    private static void check(Path file) throws IOException {
        String yaml = Files.readString(file);
        if (file.getFileName().toString().startsWith("valid-")) {
            assertThatCode(() -> cluster.apply(yaml)).doesNotThrowAnyException();
            return;
        }
        String expected = yaml.lines().findFirst().orElse("");
        assertThat(expected).as("%s says what is expected", file).startsWith(EXPECTED);
        assertThatThrownBy(() -> cluster.apply(yaml)).hasMessageContaining(expected.substring(EXPECTED.length()));
    }
}
