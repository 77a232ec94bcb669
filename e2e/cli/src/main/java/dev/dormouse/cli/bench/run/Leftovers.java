package dev.dormouse.cli.bench.run;

import dev.dormouse.api.v1alpha1.InferenceModel;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.util.List;

/** Copies of models that a killed bench left on a cluster, with their claims. */
public final class Leftovers {
    private Leftovers() {}

    /** @return the names of the copies */
    public static List<String> delete(KubernetesClient client, String namespace) {
        List<String> names = client.resources(InferenceModel.class)
                .inNamespace(namespace)
                .withLabel(ModelCopy.LABEL_RUN)
                .list()
                .getItems()
                .stream()
                .map(HasMetadata::getMetadata)
                .map(metadata -> metadata.getName())
                .toList();
        for (String name : names) {
            client.resources(InferenceModel.class).inNamespace(namespace).withName(name).delete();
            client.persistentVolumeClaims().inNamespace(namespace).withName(ModelCopy.snapshots(name)).delete();
        }
        return names;
    }
}
