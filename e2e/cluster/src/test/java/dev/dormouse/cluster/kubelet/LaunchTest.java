package dev.dormouse.cluster.kubelet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.ServiceAccountTokenProjection;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class LaunchTest {
    private static final Path SCRATCH = Path.of("/scratch");
    private static final ImageTable.Image IMAGE = new ImageTable.Image("engine", List.of("/opt/run", "--serve"),
            List.of("--default"), Map.of("MODE", "image", "BASE", "/mnt/models"), "");
    private static final Pod POD = new PodBuilder().withNewMetadata()
            .withName("p")
            .withNamespace("n")
            .withUid("u-1")
            .withLabels(Map.of("dormouse.dev/model", "minilm"))
            .endMetadata()
            .withNewSpec()
            .withNodeName("local")
            .endSpec()
            .build();
    private static final Launch.ConfigSource CONFIGS = new Launch.ConfigSource() {
        @Override
        public Optional<Map<String, byte[]>> configMap(String namespace, String name) {
            return name.equals("settings")
                    ? Optional.of(Map.of("level", "high".getBytes(StandardCharsets.UTF_8)))
                    : Optional.empty();
        }

        @Override
        public Optional<Map<String, byte[]>> secret(String namespace, String name) {
            return Optional.of(Map.of("token", "s3cret".getBytes(StandardCharsets.UTF_8)));
        }

        @Override
        public String token(Pod pod, ServiceAccountTokenProjection projection) {
            return "token for " + projection.getAudience();
        }
    };
    private static final MountPaths MOUNTS = MountPaths.of(Map.of("/mnt/models", Path.of("/s/claims/n/c"),
            "/run/dormouse", Path.of("/s/p/run")));

    private static Launch launch(Container container) throws NotRunnable {
        return Launch.of(container, IMAGE, new Launch.Downward(POD, "127.64.0.9", "127.0.0.1"), CONFIGS, MOUNTS,
                SCRATCH);
    }

    private static ContainerBuilder container() {
        return new ContainerBuilder().withName("c").withImage("engine");
    }

    @Test
    void command_and_args_override_entrypoint_and_cmd_as_in_kubernetes() throws NotRunnable {
        assertThat(launch(container().build()).command()).containsExactly("/opt/run", "--serve", "--default");
        assertThat(launch(container().withArgs("x").build()).command()).containsExactly("/opt/run", "--serve", "x");
        assertThat(launch(container().withCommand("sh").build()).command()).containsExactly("sh");
        assertThat(launch(container().withCommand("sh").withArgs("-c").build()).command()).containsExactly("sh", "-c");
    }

    @Test
    void variables_expand_in_command_args_and_later_variables() throws NotRunnable {
        Launch launch = launch(container().withCommand("sh", "$(PORT)")
                .withArgs("$(NOPE)", "$$(PORT)", "a$(PORT)b")
                .addNewEnv()
                .withName("PORT")
                .withValue("8000")
                .endEnv()
                .addNewEnv()
                .withName("URL")
                .withValue("http://x:$(PORT)")
                .endEnv()
                .build());

        assertThat(launch.command()).containsExactly("sh", "8000", "$(NOPE)", "$(PORT)", "a8000b");
        assertThat(launch.environment()).containsEntry("URL", "http://x:8000")
                .containsEntry("MODE", "image")
                .containsEntry("HOSTNAME", "p");
    }

    @Test
    void fields_config_maps_and_secrets_become_values() throws NotRunnable {
        Launch launch = launch(container()
                .addNewEnv()
                .withName("IP")
                .withNewValueFrom()
                .withNewFieldRef("v1", "status.podIP")
                .endValueFrom()
                .endEnv()
                .addNewEnv()
                .withName("UID")
                .withNewValueFrom()
                .withNewFieldRef("v1", "metadata.uid")
                .endValueFrom()
                .endEnv()
                .addNewEnv()
                .withName("MODEL")
                .withNewValueFrom()
                .withNewFieldRef("v1", "metadata.labels['dormouse.dev/model']")
                .endValueFrom()
                .endEnv()
                .addNewEnv()
                .withName("LEVEL")
                .withNewValueFrom()
                .withNewConfigMapKeyRef("level", "settings", false)
                .endValueFrom()
                .endEnv()
                .addNewEnv()
                .withName("TOKEN")
                .withNewValueFrom()
                .withNewSecretKeyRef("token", "any", false)
                .endValueFrom()
                .endEnv()
                .addNewEnv()
                .withName("MAYBE")
                .withNewValueFrom()
                .withNewConfigMapKeyRef("x", "absent", true)
                .endValueFrom()
                .endEnv()
                .build());

        assertThat(launch.environment()).containsEntry("IP", "127.64.0.9")
                .containsEntry("UID", "u-1")
                .containsEntry("MODEL", "minilm")
                .containsEntry("LEVEL", "high")
                .containsEntry("TOKEN", "s3cret")
                .doesNotContainKey("MAYBE");
    }

    @Test
    void what_is_not_supported_is_refused_by_name() {
        Container resourceField = container().addNewEnv()
                .withName("CPU")
                .withNewValueFrom()
                .withNewResourceFieldRef()
                .withResource("annotations.cpu")
                .endResourceFieldRef()
                .endValueFrom()
                .endEnv()
                .build();
        Container missing = container().addNewEnv()
                .withName("X")
                .withNewValueFrom()
                .withNewConfigMapKeyRef("x", "absent", false)
                .endValueFrom()
                .endEnv()
                .build();

        assertThatThrownBy(() -> launch(resourceField)).isInstanceOf(NotRunnable.class)
                .hasMessageContaining("resourceFieldRef");
        assertThatThrownBy(() -> launch(missing)).isInstanceOf(NotRunnable.class)
                .hasMessage("configmap \"absent\" not found");
        assertThatThrownBy(() -> launch(container().withWorkingDir("/app").build())).isInstanceOf(NotRunnable.class)
                .hasMessageContaining("/app");
    }

    @Test
    void mount_paths_are_replaced_where_a_path_begins_and_a_component_ends() {
        assertThat(MOUNTS.replace("/mnt/models")).isEqualTo("/s/claims/n/c");
        assertThat(MOUNTS.replace("--model=/mnt/models/a.onnx")).isEqualTo("--model=/s/claims/n/c/a.onnx");
        assertThat(MOUNTS.replace("unix:/run/dormouse/engine.sock")).isEqualTo("unix:/s/p/run/engine.sock");
        assertThat(MOUNTS.replace("file:///mnt/models/x")).isEqualTo("file:///s/claims/n/c/x");
        assertThat(MOUNTS.replace("/a:/mnt/models:/run/dormouse")).isEqualTo("/a:/s/claims/n/c:/s/p/run");
        assertThat(MOUNTS.replace("echo hi > /run/dormouse/x; cat '/mnt/models'"))
                .isEqualTo("echo hi > /s/p/run/x; cat '/s/claims/n/c'");
    }

    @Test
    void paths_that_only_look_alike_stay() {
        assertThat(List.of("/mnt/models-old", "/mnt/models2/x", "/mnt", "/var/mnt/models", "http://host/mnt/models",
                "a/mnt/models"))
                .allSatisfy(path -> assertThat(MOUNTS.replace(path)).isEqualTo(path));
    }

    @Test
    void the_longest_mount_path_wins() {
        MountPaths nested = MountPaths.of(Map.of("/data", Path.of("/outer"), "/data/inner", Path.of("/inner")));

        assertThat(nested.replace("/data/inner/x /data/x")).isEqualTo("/inner/x /outer/x");
    }

    @Test
    void the_images_own_command_is_a_real_path_and_stays() throws NotRunnable {
        Launch launch = launch(container().addNewEnv().withName("OWN").withValue("$(BASE)/x").endEnv().build());

        assertThat(launch.environment()).containsEntry("BASE", "/mnt/models").containsEntry("OWN", "/s/claims/n/c/x");
    }

    @Test
    void an_image_without_a_version_stands_for_all_of_them() {
        ImageTable table = ImageTable.of(ImageTable.Image.of("registry:5000/x/engine", "run"),
                ImageTable.Image.of("exact:1", "run"));

        assertThat(table.find("registry:5000/x/engine")).isPresent();
        assertThat(table.find("registry:5000/x/engine:2")).isPresent();
        assertThat(table.find("registry:5000/x/engine@sha256:abc")).isPresent();
        assertThat(table.find("exact:2")).isEmpty();
        assertThat(table.missing("exact:2")).contains("exact:2", "exact:1", "add it to");
    }
}
