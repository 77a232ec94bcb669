package dev.dormouse.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A foreign API server, played by the embedded one: local mode needs nothing of it that every client cannot do. */
class SetUpTest {
    private static final String TYPE_ROLE_AND_OBJECT = """
                                                       apiVersion: apiextensions.k8s.io/v1
                                                       kind: CustomResourceDefinition
                                                       metadata: {name: dens.example.com}
                                                       spec:
                                                         group: example.com
                                                         scope: Namespaced
                                                         names: {plural: dens, singular: den, kind: Den}
                                                         versions:
                                                         - name: v1
                                                           served: true
                                                           storage: true
                                                           schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
                                                       ---
                                                       apiVersion: example.com/v1
                                                       kind: Den
                                                       metadata: {name: hollow-tree}
                                                       ---
                                                       apiVersion: rbac.authorization.k8s.io/v1
                                                       kind: ClusterRole
                                                       metadata: {name: sees-dens}
                                                       rules: [{apiGroups: [example.com], resources: [dens], verbs: [get, list]}]
                                                       ---
                                                       apiVersion: rbac.authorization.k8s.io/v1
                                                       kind: ClusterRoleBinding
                                                       metadata: {name: sees-dens}
                                                       roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: sees-dens}
                                                       subjects: [{kind: ServiceAccount, name: visitor, namespace: burrow}]
                                                       """;

    @Test
    void typesRolesObjectsAndAnAccountThatMayDoWhatItsRolesSay(@TempDir Path folder) throws IOException {
        try (EmbeddedControlPlane theirs = EmbeddedControlPlane.start(folder.resolve("theirs"));
                KubernetesClient admin = client(theirs.kubeconfig())) {
            SetUp.apply(admin, TYPE_ROLE_AND_OBJECT);
            SetUp.apply(admin, TYPE_ROLE_AND_OBJECT); // again, as after a restart

            Path kubeconfig = SetUp.kubeconfigOf(admin, folder, "burrow", "visitor");

            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(kubeconfig))).isEqualTo("rw-------");
            try (KubernetesClient visitor = client(kubeconfig)) {
                assertThat(visitor.genericKubernetesResources("example.com/v1", "Den")
                        .inNamespace("default")
                        .withName("hollow-tree")
                        .get()).isNotNull();
                assertThatThrownBy(() -> visitor.pods().inNamespace("burrow").list()).hasMessageContaining("forbidden");
            }
        }
    }

    private static KubernetesClient client(Path kubeconfig) throws IOException {
        return new KubernetesClientBuilder().withConfig(Config.fromKubeconfig(Files.readString(kubeconfig))).build();
    }
}
