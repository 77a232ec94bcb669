package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.ConfigMapVolumeSource;
import io.fabric8.kubernetes.api.model.DownwardAPIVolumeFile;
import io.fabric8.kubernetes.api.model.KeyToPath;
import io.fabric8.kubernetes.api.model.ProjectedVolumeSource;
import io.fabric8.kubernetes.api.model.SecretVolumeSource;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeProjection;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** The files of one volume that is made of config maps, secrets, tokens and what the downward API tells. */
final class VolumeFiles {
    private static final int READ_BY_ALL = 0644;

    private final String volume;
    private final Launch.Downward downward;
    private final Launch.ConfigSource configs;
    private final Map<String, File> files = new TreeMap<>();

    /** @param mode nine bits */
    record File(ByteBuffer content, int mode) {
        void write(Path target) throws IOException {
            Files.createDirectories(Objects.requireNonNull(target.getParent()));
            Files.write(target, content.array());
            Files.setPosixFilePermissions(target, permissions(mode));
        }
    }

    private VolumeFiles(String volume, Launch.Downward downward, Launch.ConfigSource configs) {
        this.volume = volume;
        this.downward = downward;
        this.configs = configs;
    }

    /**
     * What the files of a volume are now.
     *
     * @return path below the volume to file; empty for a volume of another kind
     * @throws NotRunnable when something that is not optional is missing
     */
    static Optional<Map<String, File>> of(Volume volume, Launch.Downward downward, Launch.ConfigSource configs)
            throws NotRunnable {
        VolumeFiles files = new VolumeFiles(volume.getName(), downward, configs);
        if (volume.getConfigMap() != null) {
            files.add(volume.getConfigMap());
        } else if (volume.getSecret() != null) {
            files.add(volume.getSecret());
        } else if (volume.getDownwardAPI() != null) {
            files.addDownward(volume.getDownwardAPI().getItems(), mode(volume.getDownwardAPI().getDefaultMode()));
        } else if (volume.getProjected() != null) {
            files.add(volume.getProjected());
        } else {
            return Optional.empty();
        }
        return Optional.of(files.files);
    }

    private void add(ConfigMapVolumeSource source) throws NotRunnable {
        add("configmap \"" + source.getName() + "\"", configs.configMap(namespace(), source.getName()),
                source.getItems(), Boolean.TRUE.equals(source.getOptional()), mode(source.getDefaultMode()));
    }

    private void add(SecretVolumeSource source) throws NotRunnable {
        add("secret \"" + source.getSecretName() + "\"", configs.secret(namespace(), source.getSecretName()),
                source.getItems(), Boolean.TRUE.equals(source.getOptional()), mode(source.getDefaultMode()));
    }

    private void add(ProjectedVolumeSource source) throws NotRunnable {
        int mode = mode(source.getDefaultMode());
        for (VolumeProjection projection : source.getSources()) {
            if (projection.getConfigMap() != null) {
                var map = projection.getConfigMap();
                add("configmap \"" + map.getName() + "\"", configs.configMap(namespace(), map.getName()),
                        map.getItems(), Boolean.TRUE.equals(map.getOptional()), mode);
            } else if (projection.getSecret() != null) {
                var secret = projection.getSecret();
                add("secret \"" + secret.getName() + "\"", configs.secret(namespace(), secret.getName()),
                        secret.getItems(), Boolean.TRUE.equals(secret.getOptional()), mode);
            } else if (projection.getDownwardAPI() != null) {
                addDownward(projection.getDownwardAPI().getItems(), mode);
            } else if (projection.getServiceAccountToken() != null) {
                String token = configs.token(downward.pod(), projection.getServiceAccountToken());
                put(projection.getServiceAccountToken().getPath(), token.getBytes(StandardCharsets.UTF_8), mode);
            } else {
                throw NotRunnable.config("volume %s: this kind of projection is not supported by a process node; "
                        + "configMap, secret, downwardAPI and serviceAccountToken are", volume);
            }
        }
    }

    private void add(String origin, Optional<Map<String, byte[]>> data, List<KeyToPath> items, boolean optional,
            int mode) throws NotRunnable {
        if (data.isEmpty()) {
            if (optional) {
                return;
            }
            throw NotRunnable.config("volume %s: %s not found", volume, origin);
        }
        if (items.isEmpty()) {
            data.get().forEach((key, content) -> put(key, content, mode));
        }
        for (KeyToPath item : items) {
            byte[] content = data.get().get(item.getKey());
            if (content != null) {
                put(item.getPath(), content, Objects.requireNonNullElse(item.getMode(), mode));
            } else if (!optional) {
                throw NotRunnable.config("volume %s: %s has no key %s", volume, origin, item.getKey());
            }
        }
    }

    private void addDownward(List<DownwardAPIVolumeFile> items, int mode) throws NotRunnable {
        for (DownwardAPIVolumeFile file : items) {
            String value = file.getFieldRef() == null
                    ? downward.resource("", file.getResourceFieldRef())
                    : downward.field(file.getFieldRef().getFieldPath());
            put(file.getPath(), value.getBytes(StandardCharsets.UTF_8),
                    Objects.requireNonNullElse(file.getMode(), mode));
        }
    }

    private void put(String path, byte[] content, int mode) {
        files.put(path, new File(ByteBuffer.wrap(content), mode));
    }

    private String namespace() {
        return downward.pod().getMetadata().getNamespace();
    }

    private static int mode(@Nullable Integer defaultMode) {
        return Objects.requireNonNullElse(defaultMode, READ_BY_ALL);
    }

    /** Of the nine bits of a mode; the highest is the owner's right to read. */
    private static Set<PosixFilePermission> permissions(int mode) {
        Set<PosixFilePermission> granted = EnumSet.noneOf(PosixFilePermission.class);
        for (PosixFilePermission permission : PosixFilePermission.values()) {
            if ((mode >> (8 - permission.ordinal()) & 1) == 1) {
                granted.add(permission);
            }
        }
        return granted;
    }
}
