package dev.dormouse.cluster.apiserver;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.authorization.v1.SelfSubjectAccessReviewBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.extended.leaderelection.LeaderElectionConfigBuilder;
import io.fabric8.kubernetes.client.extended.leaderelection.resourcelock.LeaseLock;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The fabric8 client, as operator, gateway and kubelet use it. */
class InformerTest {
    private Api api;

    @BeforeEach
    void start(@TempDir Path folder) {
        api = Api.withModels(folder);
    }

    @AfterEach
    void stop() {
        api.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void anInformerFollowsWithAndWithoutTryingWebSocketsFirst(boolean onlyHttp) throws IOException {
        Queue<String> seen = new ConcurrentLinkedQueue<>();
        api.post(Api.CONFIG_MAPS, Api.configMap("early", ""));
        try (KubernetesClient client = client(onlyHttp);
                SharedIndexInformer<ConfigMap> informer = client.configMaps()
                        .inNamespace("default")
                        .withoutField("metadata.name", "kube-root-ca.crt")
                        .inform(recording(seen))) {
            await().until(informer::hasSynced);
            client.configMaps().resource(map("late")).create();
            await().until(() -> seen.contains("add late"));
            client.configMaps()
                    .resource(map("late"))
                    .edit(map -> new ConfigMapBuilder(map).addToData("a", "b").build());
            client.configMaps().inNamespace("default").withName("late").delete();

            await().until(() -> seen.contains("delete late"));
            assertThat(seen).containsExactly("add early", "add late", "update late b", "delete late");
        }
    }

    @Test
    void applyAndConflictsComeThroughTheClient() throws IOException {
        try (KubernetesClient client = client(true)) {
            PatchContext apply = new PatchContext.Builder().withPatchType(PatchType.SERVER_SIDE_APPLY)
                    .withFieldManager("me")
                    .build();
            ConfigMap first = client.resource(new ConfigMapBuilder(map("applied")).addToData("a", "1").build())
                    .patch(apply);
            ConfigMap same = client.resource(new ConfigMapBuilder(map("applied")).addToData("a", "1").build())
                    .patch(apply);

            assertThat(same.getMetadata().getResourceVersion()).isEqualTo(first.getMetadata().getResourceVersion());
            assertThat(client.resource(new SelfSubjectAccessReviewBuilder().withNewSpec()
                    .withNewResourceAttributes()
                    .withVerb("get")
                    .withResource("pods")
                    .endResourceAttributes()
                    .endSpec()
                    .build())
                    .create()
                    .getStatus()
                    .getAllowed()).isTrue();
        }
    }

    @Test
    void aLeaderIsElected() throws Exception {
        CountDownLatch leading = new CountDownLatch(1);
        try (KubernetesClient client = client(true)) {
            var election = client.leaderElector()
                    .withConfig(new LeaderElectionConfigBuilder().withName("test")
                            .withReleaseOnCancel(true)
                            .withLock(new LeaseLock("default", "leader", "me"))
                            .withLeaseDuration(Duration.ofSeconds(15))
                            .withRenewDeadline(Duration.ofSeconds(10))
                            .withRetryPeriod(Duration.ofMillis(200))
                            .withLeaderCallbacks(
                                    new io.fabric8.kubernetes.client.extended.leaderelection.LeaderCallbacks(
                                            leading::countDown, () -> {
                                            }, _ -> {
                                            }))
                            .build())
                    .build()
                    .start();
            assertThat(leading.await(10, TimeUnit.SECONDS)).isTrue();
            assertThat(client.leases().inNamespace("default").withName("leader").get().getSpec().getHolderIdentity())
                    .isEqualTo("me");
            election.cancel(true);
        }
    }

    private KubernetesClient client(boolean onlyHttp) throws IOException {
        Config config = Config.fromKubeconfig(Files.readString(api.controlPlane().kubeconfig()));
        return new KubernetesClientBuilder().withConfig(new ConfigBuilder(config).withOnlyHttpWatches(onlyHttp).build())
                .build();
    }

    private static ConfigMap map(String name) {
        return new ConfigMapBuilder().withNewMetadata().withName(name).withNamespace("default").endMetadata().build();
    }

    private static ResourceEventHandler<ConfigMap> recording(Queue<String> seen) {
        return new ResourceEventHandler<>() {
            @Override
            public void onAdd(ConfigMap map) {
                seen.add("add " + map.getMetadata().getName());
            }

            @Override
            public void onUpdate(ConfigMap before, ConfigMap map) {
                seen.add("update " + map.getMetadata().getName() + " " + map.getData().get("a"));
            }

            @Override
            public void onDelete(ConfigMap map, boolean stateUnknown) {
                seen.add("delete " + map.getMetadata().getName());
            }
        };
    }
}
