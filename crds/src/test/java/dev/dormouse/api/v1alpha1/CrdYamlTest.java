package dev.dormouse.api.v1alpha1;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The checked-in YAML, and the copy in the Helm chart (which cannot read files outside itself), are what the types say.
 * {@code mvn test -pl crds -Dcrds.update} rewrites both.
 */
class CrdYamlTest {
    private static final List<Path> FOLDERS = List.of(Path.of("src/main/resources/crds"),
            Path.of("../helm/dormouse-crds/files"));

    @Test
    void checkedInYamlEqualsTheGeneratedOne(@TempDir Path scratch) throws IOException {
        for (String name : CrdYaml.TYPES.keySet()) {
            String generated = CrdYaml.generate(name, scratch);
            for (Path folder : FOLDERS) {
                Path checkedIn = folder.resolve(name + ".yaml");
                if (System.getProperty("crds.update") != null) {
                    Files.writeString(checkedIn, generated);
                }

                assertThat(checkedIn).as("rewrite it with: mvn test -pl crds -Dcrds.update").hasContent(generated);
            }
        }
    }
}
