package dev.dormouse.e2e.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.dormouse.cluster.EmbeddedControlPlane;
import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import io.javaoperatorsdk.operator.Operator;
import io.javaoperatorsdk.operator.api.config.LeaderElectionConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.Cleaner;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.ControllerConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.DeleteControl;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * java-operator-sdk and fabric8's informers on the embedded control plane, which these stories restart: an operator that
 * copies every ConfigMap into a Secret by server-side apply, guards it with a finalizer, and is led by one of two.
 */
class OperatorSdkIT {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final PatchContext APPLY = new PatchContext.Builder().withPatchType(PatchType.SERVER_SIDE_APPLY)
            .withFieldManager("copier")
            .withForce(true)
            .build();

    @TempDir
    private Path state;
    private EmbeddedControlPlane controlPlane;
    private KubernetesClient client;

    /** @param cleaned names of the ConfigMaps whose finalizer it has worked off */
    @ControllerConfiguration(finalizerName = "conformance.dormouse.dev/copied")
    private record Copier(KubernetesClient client,
            Set<String> cleaned) implements Reconciler<ConfigMap>, Cleaner<ConfigMap> {
        @Override
        public UpdateControl<ConfigMap> reconcile(ConfigMap map, Context<ConfigMap> context) {
            client.resource(new SecretBuilder().withNewMetadata()
                    .withName(map.getMetadata().getName())
                    .withNamespace(map.getMetadata().getNamespace())
                    .endMetadata()
                    .withStringData(map.getData())
                    .build()).patch(APPLY);
            return UpdateControl.noUpdate();
        }

        @Override
        public DeleteControl cleanup(ConfigMap map, Context<ConfigMap> context) {
            client.resource(new SecretBuilder().withNewMetadata()
                    .withName(map.getMetadata().getName())
                    .withNamespace(map.getMetadata().getNamespace())
                    .endMetadata()
                    .build()).delete();
            cleaned.add(map.getMetadata().getName());
            return DeleteControl.defaultDelete();
        }
    }

    @BeforeEach
    void start() throws IOException {
        controlPlane = EmbeddedControlPlane.start(state);
        client = client();
        client.resource(new io.fabric8.kubernetes.api.model.NamespaceBuilder().withNewMetadata()
                .withName("work")
                .endMetadata()
                .build()).create();
    }

    @AfterEach
    void stop() {
        client.close();
        controlPlane.close();
    }

    private KubernetesClient client() throws IOException {
        Config config = new ConfigBuilder(Config.fromKubeconfig(Files.readString(controlPlane.kubeconfig())))
                .withOnlyHttpWatches(true)
                .build();
        return new KubernetesClientBuilder().withConfig(config).build();
    }

    private Operator operator(KubernetesClient own, Set<String> cleaned, String leader) {
        Operator operator = new Operator(overrider -> {
            overrider.withKubernetesClient(own).withCloseClientOnStop(true).withUseSSAToPatchPrimaryResource(true);
            if (!leader.isEmpty()) {
                overrider.withLeaderElectionConfiguration(new LeaderElectionConfiguration("copier", "work",
                        Duration.ofSeconds(6), Duration.ofSeconds(4), Duration.ofSeconds(1), leader));
            }
        });
        operator.register(new Copier(own, cleaned), overrider -> overrider.settingNamespaces(Set.of("work"))
                .withLabelSelector("copy"));
        operator.start();
        return operator;
    }

    @Test
    void aThousandResourcesAreAppliedGuardedAndCleanedUp() throws IOException {
        Set<String> cleaned = ConcurrentHashMap.newKeySet();
        Operator operator = operator(client(), cleaned, "");
        try {
            IntStream.range(0, 1000).forEach(i -> create("m" + i, "1"));

            await().atMost(PATIENCE).until(() -> secrets() == 1000);
            client.configMaps()
                    .inNamespace("work")
                    .withName("m7")
                    .edit(map -> new ConfigMapBuilder(map)
                            .addToData("value", "2")
                            .build());
            await().atMost(PATIENCE).until(() -> "Mg==".equals(copy("m7").getData().get("value")));
            assertThat(map("m7").getMetadata().getFinalizers()).containsExactly("conformance.dormouse.dev/copied");
            assertThat(map("m7").getMetadata().getManagedFields()).extracting(entry -> entry.getOperation())
                    .contains("Apply");

            client.configMaps().inNamespace("work").withLabel("copy").delete();
            await().atMost(PATIENCE).until(() -> secrets() == 0 && cleaned.size() == 1000);
            await().atMost(PATIENCE)
                    .until(() -> client.configMaps().inNamespace("work").withLabel("copy").list().getItems().isEmpty());
        } finally {
            operator.stop();
        }
    }

    /** The goal: another operator leads within ten seconds after the first is gone without a word. */
    @Test
    void anotherOperatorTakesOverWithinTenSeconds() throws IOException {
        KubernetesClient first = client();
        operator(first, ConcurrentHashMap.newKeySet(), "first");
        create("before", "1");
        await().atMost(PATIENCE).until(() -> secrets() == 1);
        KubernetesClient second = client();
        Thread.ofVirtual().start(() -> operator(second, ConcurrentHashMap.newKeySet(), "second"));

        first.close(); // as if it had lost the network: it gives nothing back
        create("after", "1");

        await().atMost(Duration.ofSeconds(10)).until(() -> secrets() == 2);
        assertThat(client.leases().inNamespace("work").withName("copier").get().getSpec().getHolderIdentity())
                .isEqualTo("second");
        second.close();
    }

    @Test
    void anOperatorAndAnInformerLiveThroughARestartOfTheControlPlane() throws IOException {
        Map<String, String> seen = new ConcurrentHashMap<>();
        Operator operator = operator(client(), ConcurrentHashMap.newKeySet(), "");
        try (KubernetesClient watching = client();
                SharedIndexInformer<Secret> informer = watching.secrets().inNamespace("work").inform(into(seen))) {
            create("early", "1");
            await().atMost(PATIENCE).until(() -> seen.containsKey("early"));
            int port = controlPlane.apiUrl().getPort();

            controlPlane.close();
            controlPlane = EmbeddedControlPlane.start(state, port);

            assertThat(map("early").getData()).containsEntry("value", "1");
            create("late", "1");
            await().atMost(PATIENCE).until(() -> seen.containsKey("late") && secrets() == 2);
            assertThat(informer.isRunning()).isTrue();
        } finally {
            operator.stop();
        }
    }

    private static ResourceEventHandler<Secret> into(Map<String, String> seen) {
        return new ResourceEventHandler<>() {
            @Override
            public void onAdd(Secret secret) {
                seen.put(secret.getMetadata().getName(), secret.getMetadata().getResourceVersion());
            }

            @Override
            public void onUpdate(Secret before, Secret secret) {
                onAdd(secret);
            }

            @Override
            public void onDelete(Secret secret, boolean stateUnknown) {
                seen.remove(secret.getMetadata().getName());
            }
        };
    }

    private void create(String name, String value) {
        client.resource(new ConfigMapBuilder().withNewMetadata()
                .withName(name)
                .withNamespace("work")
                .addToLabels("copy", "yes")
                .endMetadata()
                .addToData("value", value)
                .build()).create();
    }

    private int secrets() {
        return client.secrets().inNamespace("work").list().getItems().size();
    }

    private Secret copy(String name) {
        return client.secrets().inNamespace("work").withName(name).require();
    }

    private ConfigMap map(String name) {
        return client.configMaps().inNamespace("work").withName(name).require();
    }
}
