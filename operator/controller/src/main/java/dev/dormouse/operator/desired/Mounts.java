package dev.dormouse.operator.desired;

import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeBuilder;
import io.fabric8.kubernetes.api.model.VolumeMount;
import io.fabric8.kubernetes.api.model.VolumeMountBuilder;

/** Volumes whose entries are files that a container only reads. */
final class Mounts {
    private Mounts() {}

    static VolumeMount readOnly(String volume, String path) {
        return new VolumeMountBuilder().withName(volume).withMountPath(path).withReadOnly(true).build();
    }

    /** @param optional whether the pod starts without it, with an empty folder */
    static Volume secret(String volume, String secret, boolean optional) {
        return new VolumeBuilder().withName(volume)
                .withNewSecret()
                .withSecretName(secret)
                .withOptional(optional)
                .endSecret()
                .build();
    }

    /** Nothing of the Secret but one entry. */
    static Volume secret(String volume, String secret, String entry, boolean optional) {
        return new VolumeBuilder().withName(volume)
                .withNewSecret()
                .withSecretName(secret)
                .withOptional(optional)
                .addNewItem()
                .withKey(entry)
                .withPath(entry)
                .endItem()
                .endSecret()
                .build();
    }

    static Volume configMap(String volume, String configMap, boolean optional) {
        return new VolumeBuilder().withName(volume)
                .withNewConfigMap()
                .withName(configMap)
                .withOptional(optional)
                .endConfigMap()
                .build();
    }
}
