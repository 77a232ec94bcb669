package dev.dormouse.operator.desired;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.api.v1alpha1.GpuPool;
import dev.dormouse.api.v1alpha1.GpuPoolSpec;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.domain.warmup.Ladder;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.operator.resolve.ResolvedModel.Resolved;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * One file {@code in-<case>.yaml} with a model and one {@code out-<case>.yaml} with its pod and claim per case.
 * {@code -Ddesired.update} rewrites the latter.
 */
class ReplicaPodTest {
    private static final Path FOLDER = Path.of("src/test/resources/desired");
    private static final KubernetesSerialization YAML = new KubernetesSerialization();
    private static final SidecarSettings SIDECAR = sidecar("dormouse/sidecar:test");

    @TestFactory
    Stream<DynamicTest> everyModelGivesThePodOfItsFile() throws IOException {
        List<Path> inputs;
        try (Stream<Path> files = Files.list(FOLDER)) {
            inputs = files.filter(file -> file.getFileName().toString().startsWith("in-")).sorted().toList();
        }
        assertThat(inputs).isNotEmpty();
        return inputs.stream().map(in -> DynamicTest.dynamicTest(in.getFileName().toString(), () -> check(in)));
    }

    @Test
    void everyOutputBelongsToAnInput() throws IOException {
        try (Stream<Path> files = Files.list(FOLDER)) {
            assertThat(files.map(file -> file.getFileName().toString()).filter(name -> name.startsWith("out-")))
                    .allSatisfy(name -> assertThat(FOLDER.resolve(name.replaceFirst("out-", "in-"))).exists());
        }
    }

    @Test
    void theTemplateHashChangesWithTheSpecAndNotWithTheReplica() {
        InferenceModel model = read(FOLDER.resolve("in-minimal.yaml"));
        InferenceModel other = read(FOLDER.resolve("in-overlay.yaml"));

        assertThat(ReplicaPod.template(model, resolved(model))).hasSize(16)
                .isEqualTo(ReplicaPod.template(model, resolved(model)))
                .isNotEqualTo(ReplicaPod.template(other, resolved(other)));
    }

    @Test
    void anUpgradeOfTheSidecarReplacesNoLiveReplica() {
        InferenceModel model = read(FOLDER.resolve("in-minimal.yaml"));

        Pod before = ReplicaPod.of(model, resolved(model), sidecar("sidecar:1"), "p", "1", Optional.empty(),
                climb(Optional.empty()));
        Pod after = ReplicaPod.of(model, resolved(model), sidecar("sidecar:2"), "p", "1", Optional.empty(),
                climb(Optional.empty()));

        assertThat(after.getMetadata().getAnnotations()).isEqualTo(before.getMetadata().getAnnotations());
        assertThat(after.getSpec().getInitContainers().getFirst().getImage()).isEqualTo("sidecar:2");
    }

    @Test
    @DisplayName("Design §5: a restore has half of the warmup's time; after a replica that hung on it the next is told to load from source, and why")
    void theSidecarIsToldTheLadder() {
        InferenceModel model = read(FOLDER.resolve("in-minimal.yaml"));

        assertThat(environment(model, climb(Optional.empty())))
                .containsEntry("DORMOUSE_RESTORE_DEADLINE_SECONDS", "300")
                .doesNotContainKey("DORMOUSE_FROM_SOURCE_BECAUSE");
        assertThat(environment(model, climb(Optional.of(new Ladder.Fall(Ladder.Rung.Volume, true)))))
                .doesNotContainKey("DORMOUSE_RESTORE_DEADLINE_SECONDS")
                .hasEntrySatisfying("DORMOUSE_FROM_SOURCE_BECAUSE", why -> assertThat(why).contains("600 s"));
    }

    private static Map<String, String> environment(InferenceModel model, Ladder.Climb climb) {
        Pod pod = ReplicaPod.of(model, resolved(model), SIDECAR, "p", "1", Optional.empty(), climb);
        return pod.getSpec()
                .getInitContainers()
                .getFirst()
                .getEnv()
                .stream()
                .filter(variable -> variable.getValue() != null)
                .collect(Collectors.toMap(EnvVar::getName, EnvVar::getValue));
    }

    private static Ladder.Climb climb(Optional<Ladder.Fall> last) {
        return Ladder.climb(Duration.ofSeconds(600), true, last);
    }

    @Test
    void theSnapshotKeyFollowsWhatShapesDeviceMemory() {
        String base = key(yaml -> yaml);

        assertThat(base).matches("[0-9a-f]{64}");
        assertThat(key(yaml -> yaml.replace("priority: 5", "priority: 6"))).isEqualTo(base);
        assertThat(key(yaml -> yaml.replace("revision: v2", "revision: v3"))).isNotEqualTo(base);
        assertThat(key(yaml -> yaml.replace("vllm:1", "vllm:2"))).isNotEqualTo(base);
        assertThat(key(yaml -> yaml.replace("--dtype", "--type"))).isNotEqualTo(base);
        assertThat(key(yaml -> yaml.replace("value: \"7\"", "value: \"8\""))).isNotEqualTo(base);
    }

    @Test
    @DisplayName("S26: keys are mounted into the sidecar, read-only and by name, and never into the engine; a missing Secret holds the pod")
    void keysReachTheSidecarOnly() {
        InferenceModel model = read(FOLDER.resolve("in-trust.yaml"));

        Pod pod = ReplicaPod.of(model, resolved(model), SIDECAR, "p", "1", Optional.empty(), climb(Optional.empty()));

        assertThat(pod.getSpec().getInitContainers().getFirst().getVolumeMounts())
                .filteredOn(mount -> mount.getMountPath().startsWith("/etc/dormouse/keys/"))
                .hasSize(3)
                .allSatisfy(mount -> assertThat(mount.getReadOnly()).isTrue());
        assertThat(pod.getSpec().getContainers()).allSatisfy(engine -> {
            assertThat(engine.getVolumeMounts()).noneMatch(mount -> mount.getName().startsWith("dormouse-keys"));
            assertThat(engine.getEnv()).noneMatch(variable -> variable.getName().contains("KEY"));
        });
        assertThat(pod.getSpec().getVolumes()).filteredOn(volume -> volume.getSecret() != null)
                .hasSize(2)
                .allSatisfy(volume -> assertThat(volume.getSecret().getOptional()).isFalse());
    }

    @Test
    void aChangeOfTheKeysIsAnotherTemplateAndNotAnotherSnapshot() throws IOException {
        String yaml = Files.readString(FOLDER.resolve("in-trust.yaml"));
        InferenceModel with = YAML.unmarshal(yaml, InferenceModel.class);
        InferenceModel without = YAML.unmarshal(yaml.substring(0, yaml.indexOf("  snapshot:")), InferenceModel.class);

        assertThat(without.getSpec().snapshot().trust()).isNull();
        assertThat(ReplicaPod.template(with, resolved(with)))
                .isNotEqualTo(ReplicaPod.template(without, resolved(without)));
        assertThat(SnapshotKey.of(with.getSpec())).isEqualTo(SnapshotKey.of(without.getSpec()));
    }

    @Test
    @DisplayName("H37, S64: the sidecar is told whose memory it works with: the GPU's where a claim gives one GPU to both containers, host memory elsewhere, or what the model says")
    void theSidecarIsToldWhoseMemoryItWorksWith() throws IOException {
        String yaml = Files.readString(FOLDER.resolve("in-owned.yaml"));
        UnaryOperator<String> devicePlugin = text -> text.replace("pool: dra", "pool: a100");

        assertThat(device(yaml)).isEqualTo("Owned");
        assertThat(device(yaml.replace("gpu: 1", "gpu: 2"))).as("several GPUs have several owners").isEqualTo("Host");
        assertThat(device(devicePlugin.apply(yaml))).as("a device plugin gives the GPU to the engine")
                .isEqualTo("Host");
        assertThat(device(devicePlugin.apply(yaml) + "  snapshot: {memory: Staged}\n")).isEqualTo("Staged");
        assertThat(device(yaml + "  snapshot: {memory: Ipc}\n")).isEqualTo("Ipc, one process namespace");
        assertThat(device(yaml + "  snapshot: {enabled: false}\n")).as("it keeps nothing").isEqualTo("Host");
    }

    private static String device(String yaml) throws IOException {
        InferenceModel model = YAML.unmarshal(yaml, InferenceModel.class);
        Pod pod = ReplicaPod.of(model, resolved(model), SIDECAR, "p", "1",
                placement(FOLDER.resolve("in-owned.yaml"), model), climb(Optional.empty()));
        String device = pod.getSpec()
                .getInitContainers()
                .getFirst()
                .getEnv()
                .stream()
                .filter(variable -> variable.getName().equals("DORMOUSE_DEVICE"))
                .map(EnvVar::getValue)
                .findFirst()
                .orElse("Host");
        return device
                + (Boolean.TRUE.equals(pod.getSpec().getShareProcessNamespace()) ? ", one process namespace" : "");
    }

    /** The case "tls" is of an installation whose sidecars serve https. */
    private static SidecarSettings settings(Path in) {
        return in.getFileName().toString().equals("in-tls.yaml")
                ? new SidecarSettings(SIDECAR.image(), Optional.of("sidecar-tls"))
                : SIDECAR;
    }

    private static SidecarSettings sidecar(String image) {
        return new SidecarSettings(image, Optional.empty());
    }

    private static String key(UnaryOperator<String> change) {
        try {
            String text = Files.readString(FOLDER.resolve("in-overlay.yaml"));
            return SnapshotKey.of(YAML.unmarshal(change.apply(text), InferenceModel.class).getSpec());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void check(Path in) throws IOException {
        InferenceModel model = read(in);
        Resolved resolved = resolved(model);
        Optional<PoolPlacement> placement = placement(in, model);
        String actual = YAML.asYaml(ReplicaPod.of(model, resolved, settings(in), model.getMetadata().getName() + "-pod",
                "3", placement, Ladder.climb(Duration.ofSeconds(model.getSpec().warmup().deadlineSeconds()),
                        resolved.snapshotClaim().isPresent(), Optional.empty())));
        actual += placement.flatMap(p -> p.claimTemplate(model)).map(YAML::asYaml).orElse("");
        if (ResolvedModel.ownsSnapshotClaim(model)) {
            actual += YAML.asYaml(SnapshotClaim.of(model));
        }
        Path out = in.resolveSibling(in.getFileName().toString().replaceFirst("in-", "out-"));
        if (System.getProperty("desired.update") != null) {
            Files.writeString(out, actual);
        }

        assertThat(actual).isEqualTo(Files.readString(out));
    }

    /** The pool of a model lies beside it, as {@code pool-<name>.yaml}; node-1 was chosen if it has a limit per node. */
    private static Optional<PoolPlacement> placement(Path in, InferenceModel model) throws IOException {
        String pool = model.getSpec().pool();
        if (pool == null) {
            return Optional.empty();
        }
        GpuPoolSpec spec = YAML.unmarshal(Files.readString(in.resolveSibling("pool-" + pool + ".yaml")), GpuPool.class)
                .getSpec();
        return Optional.of(new PoolPlacement(pool, spec,
                Optional.ofNullable(spec.warmup().maxConcurrentPerNode()).map(limit -> "node-1")));
    }

    private static Resolved resolved(InferenceModel model) {
        return (Resolved) ResolvedModel.of(model, claim -> true, pool -> true);
    }

    private static InferenceModel read(Path file) {
        try {
            return YAML.unmarshal(Files.readString(file), InferenceModel.class);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
