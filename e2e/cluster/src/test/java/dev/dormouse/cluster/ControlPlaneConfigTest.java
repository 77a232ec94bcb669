package dev.dormouse.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.Properties;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ControlPlaneConfigTest {
    @TempDir
    private Path folder;

    private static Properties properties(String... keysAndValues) {
        Properties properties = new Properties();
        for (int i = 0; i < keysAndValues.length; i += 2) {
            properties.setProperty(keysAndValues[i], keysAndValues[i + 1]);
        }
        return properties;
    }

    @Test
    void theEmbeddedOneIsMeantUnlessAnotherIsNamed() {
        assertThat(ControlPlaneConfig.of(properties())).isEqualTo(new ControlPlaneConfig.Embedded());
        assertThat(ControlPlaneConfig.of(properties("cluster", "kubeconfig", "cluster.kubeconfig", "/k")))
                .isEqualTo(new ControlPlaneConfig.Kubeconfig(Path.of("/k")));
        assertThat(ControlPlaneConfig.of(properties("cluster", "binaries", "cluster.binaries", "/b")))
                .isEqualTo(new ControlPlaneConfig.Binaries(Path.of("/b"), Optional.empty()));
    }

    @Test
    void aWordThatIsNoneAndASettingThatIsMissingAreNamed() {
        assertThatThrownBy(() -> ControlPlaneConfig.of(properties("cluster", "real")))
                .hasMessage("cluster=real: use embedded, binaries or kubeconfig");
        assertThatThrownBy(() -> ControlPlaneConfig.of(properties("cluster", "binaries")))
                .hasMessageContaining("cluster.binaries")
                .hasMessageContaining("kube-apiserver");
        assertThatThrownBy(() -> ControlPlaneConfig.of(properties("cluster", "kubeconfig")))
                .hasMessageContaining("add -Dcluster.kubeconfig=");
    }

    @Test
    void binariesThatAreNotThereAreNamedWithTheirPlace() throws IOException {
        var config = new ControlPlaneConfig.Binaries(folder, Optional.empty());
        assertThatThrownBy(() -> config.start(folder.resolve("state"))).isInstanceOf(IOException.class)
                .hasMessageContaining("no executable etcd, kube-apiserver, kubectl in " + folder.resolve("k8s"))
                .hasMessageContaining("envtest");

        binary("1.34.1", "etcd");
        assertThatThrownBy(() -> config.start(folder.resolve("state")))
                .hasMessageContaining("no executable kube-apiserver, kubectl in "
                        + folder.resolve("k8s/1.34.1-linux-amd64"));
        assertThat(folder.resolve("state")).doesNotExist();
    }

    @Test
    void theNewestVersionIsTakenUnlessOneIsAskedFor() throws IOException {
        for (String version : new String[]{"1.9.0", "1.34.1", "1.33.12"}) {
            for (String name : new String[]{"etcd", "kube-apiserver", "kubectl"}) {
                binary(version, name);
            }
        }
        assertThat(ApiServerBinaries.find(folder, Optional.empty()).version()).isEqualTo("1.34.1");
        assertThat(ApiServerBinaries.find(folder, Optional.of("1.9.0")).version()).isEqualTo("1.9.0");
        assertThatThrownBy(() -> ApiServerBinaries.find(folder, Optional.of("1.35.0")))
                .hasMessageContaining("versions that are there: 1.33.12, 1.34.1, 1.9.0");
    }

    @Test
    void aKubeconfigThatIsNotThereIsNamed() {
        assertThatThrownBy(
                () -> new ControlPlaneConfig.Kubeconfig(folder.resolve("none")).start(folder.resolve("state")))
                .isInstanceOf(IOException.class)
                .hasMessageContaining(folder.resolve("none").toString());
    }

    private void binary(String version, String name) throws IOException {
        Path place = Files.createDirectories(folder.resolve("k8s").resolve(version + "-linux-amd64"));
        Files.createFile(place.resolve(name),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    }
}
