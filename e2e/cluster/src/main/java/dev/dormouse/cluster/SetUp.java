package dev.dormouse.cluster;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/** What {@link LocalControlPlane} promises, by the means of any client: for API servers that are not our own. */
final class SetUp {
    private static final String FIELD_MANAGER = "dormouse-local";
    private static final long SERVED_SECONDS = 30;

    private SetUp() {}

    static void apply(KubernetesClient client, String yaml) {
        List<HasMetadata> objects = client.load(new ByteArrayInputStream(yaml.getBytes(StandardCharsets.UTF_8)))
                .items();
        objects.stream().map(SetUp::namespace).distinct().forEach(namespace -> ensureNamespace(client, namespace));
        for (HasMetadata object : objects) {
            client.resource(object)
                    .inNamespace(namespace(object))
                    .patch(new PatchContext.Builder().withPatchType(PatchType.SERVER_SIDE_APPLY)
                            .withFieldManager(FIELD_MANAGER)
                            .withForce(true)
                            .build());
            if (object instanceof CustomResourceDefinition definition) {
                client.resource(definition).waitUntilCondition(SetUp::established, SERVED_SECONDS, TimeUnit.SECONDS);
            }
        }
    }

    private static String namespace(HasMetadata object) {
        return Objects.requireNonNullElse(object.getMetadata().getNamespace(), "default");
    }

    static Path kubeconfigOf(KubernetesClient client, Path stateFolder, String namespace, String account) {
        ensureNamespace(client, namespace);
        ServiceAccounts.ensure(client, namespace, account);
        Path file = stateFolder.resolve("kubeconfig-" + namespace + "-" + account);
        try {
            return ServiceAccounts.writeKubeconfig(client, namespace, account, file);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + file, e);
        }
    }

    private static void ensureNamespace(KubernetesClient client, String name) {
        client.resource(new NamespaceBuilder().withNewMetadata().withName(name).endMetadata().build())
                .serverSideApply();
    }

    private static boolean established(CustomResourceDefinition definition) {
        return definition != null && definition.getStatus() != null && definition.getStatus()
                .getConditions()
                .stream()
                .anyMatch(each -> each.getType().equals("Established") && each.getStatus().equals("True"));
    }
}
