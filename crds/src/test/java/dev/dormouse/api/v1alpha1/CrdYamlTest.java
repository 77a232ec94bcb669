package dev.dormouse.api.v1alpha1;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The checked-in YAML is what the types say. {@code mvn test -pl crds -Dcrds.update} rewrites it. */
class CrdYamlTest {
    private static final Path CHECKED_IN = Path.of("src/main/resources/crds/inferencemodels.dormouse.dev.yaml");

    @Test
    void checkedInYamlEqualsTheGeneratedOne(@TempDir Path scratch) throws IOException {
        String generated = CrdYaml.generate(scratch);

        if (System.getProperty("crds.update") != null) {
            Files.writeString(CHECKED_IN, generated);
        }

        assertThat(Files.readString(CHECKED_IN)).as("rewrite it with: mvn test -pl crds -Dcrds.update")
                .isEqualTo(generated);
    }
}
