package dev.dormouse.operator.desired;

import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.SnapshotTrust;
import dev.dormouse.api.v1alpha1.SnapshotTrust.Encryption;
import dev.dormouse.api.v1alpha1.SnapshotTrust.Signatures;
import dev.dormouse.api.v1alpha1.SnapshotTrust.SigningKey;
import dev.dormouse.api.v1alpha1.SnapshotTrust.TrustedKeys;
import dev.dormouse.operator.resolve.ResolvedModel;
import dev.dormouse.sidecar.api.SidecarEnvironment;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeMount;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The keys of one snapshot volume as a sidecar or a store pod gets them: by name, mounted, never read by the operator.
 *
 * @param volumeId what signatures and encryption are bound to
 */
public record VolumeTrust(String volumeId, Optional<Encryption> encryption, Optional<Signatures> signatures) {
    /** Nothing signed, nothing encrypted. */
    public static final VolumeTrust NONE = new VolumeTrust("", Optional.empty(), Optional.empty());

    private static final String FOLDER = "/etc/dormouse/keys/";
    private static final String PREFIX = "dormouse-keys-";
    private static final String WRAPPING = "wrapping";
    private static final String TRUSTED = "trusted";
    private static final String SIGNING = "signing";

    /** The id is the claim's unless the user says otherwise: two volumes never pass for each other by accident. */
    public static VolumeTrust of(InferenceModel model) {
        SnapshotTrust trust = model.getSpec().snapshot().trust();
        Optional<String> claim = ResolvedModel.snapshotClaim(model);
        if (trust == null || claim.isEmpty()) {
            return NONE;
        }
        String id = trust.volumeId() == null
                ? model.getMetadata().getNamespace() + "/" + claim.get()
                : trust.volumeId();
        return new VolumeTrust(id, Optional.ofNullable(trust.encryption()), Optional.ofNullable(trust.signatures()));
    }

    private boolean none() {
        return encryption.isEmpty() && signatures.isEmpty();
    }

    private Optional<TrustedKeys> trustedKeys() {
        return signatures.map(Signatures::trustedKeys);
    }

    private Optional<SigningKey> signingKey() {
        return signatures.map(Signatures::signingKey);
    }

    List<EnvVar> env() {
        List<EnvVar> env = new ArrayList<>();
        if (!none()) {
            env.add(new EnvVar(SidecarEnvironment.VOLUME_ID, volumeId, null));
        }
        encryption.ifPresent(e -> env.add(new EnvVar(SidecarEnvironment.WRAPPING_KEYS, FOLDER + WRAPPING, null)));
        signatures.filter(Signatures::required)
                .ifPresent(s -> env.add(new EnvVar(SidecarEnvironment.SIGNATURES, "required", null)));
        trustedKeys().ifPresent(t -> env.add(new EnvVar(SidecarEnvironment.TRUSTED_KEYS, FOLDER + TRUSTED, null)));
        signingKey().ifPresent(k -> env
                .add(new EnvVar(SidecarEnvironment.SIGNING_KEY, FOLDER + SIGNING + "/" + k.key(), null)));
        return env;
    }

    List<VolumeMount> mounts() {
        return volumes(false).stream()
                .map(Volume::getName)
                .map(name -> Mounts.readOnly(name, FOLDER + name.substring(PREFIX.length())))
                .toList();
    }

    /** @param optional whether the pod starts when they are missing, and finds out itself */
    List<Volume> volumes(boolean optional) {
        List<Volume> volumes = new ArrayList<>();
        encryption.ifPresent(e -> volumes.add(Mounts.secret(PREFIX + WRAPPING, e.secretName(), optional)));
        trustedKeys().map(TrustedKeys::secretName)
                .ifPresent(secret -> volumes.add(Mounts.secret(PREFIX + TRUSTED, secret, optional)));
        trustedKeys().map(TrustedKeys::configMapName)
                .ifPresent(map -> volumes.add(Mounts.configMap(PREFIX + TRUSTED, map, optional)));
        signingKey().ifPresent(
                key -> volumes.add(Mounts.secret(PREFIX + SIGNING, key.secretName(), key.key(), optional)));
        return volumes;
    }
}
