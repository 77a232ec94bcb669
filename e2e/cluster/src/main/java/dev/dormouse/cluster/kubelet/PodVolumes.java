package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.DownwardAPIVolumeFile;
import io.fabric8.kubernetes.api.model.HostPathVolumeSource;
import io.fabric8.kubernetes.api.model.KeyToPath;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeMount;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A pod's volumes as folders. Files of config maps, secrets and the downward API are written once, when the pod starts.
 * Nothing enforces {@code readOnly}, {@code sizeLimit} or file modes.
 *
 * @param folders volume name to folder
 */
record PodVolumes(Map<String, Path> folders) {
    /** Where a node keeps what volumes are made of. */
    record Roots(Path pod, Path host, Path claims) {}

    static PodVolumes prepare(List<Volume> volumes, Launch.Downward downward, Launch.ConfigSource configs, Roots roots)
            throws NotRunnable, IOException {
        Map<String, Path> folders = new LinkedHashMap<>();
        for (Volume volume : volumes) {
            folders.put(volume.getName(), folder(volume, downward, configs, roots));
        }
        return new PodVolumes(folders);
    }

    private static Path folder(Volume volume, Launch.Downward downward, Launch.ConfigSource configs, Roots roots)
            throws NotRunnable, IOException {
        String namespace = downward.pod().getMetadata().getNamespace();
        Path own = roots.pod().resolve(volume.getName());
        if (volume.getEmptyDir() != null) {
            return Files.createDirectories(own);
        }
        if (volume.getPersistentVolumeClaim() != null) {
            String claim = volume.getPersistentVolumeClaim().getClaimName();
            return Files.createDirectories(roots.claims().resolve(namespace).resolve(claim));
        }
        if (volume.getHostPath() != null) {
            return hostPath(volume.getName(), volume.getHostPath(), roots.host());
        }
        if (volume.getConfigMap() != null) {
            var source = volume.getConfigMap();
            return write(own, volume.getName(), "configmap " + source.getName(), source.getItems(),
                    Boolean.TRUE.equals(source.getOptional()), configs.configMap(namespace, source.getName()));
        }
        if (volume.getSecret() != null) {
            var source = volume.getSecret();
            return write(own, volume.getName(), "secret " + source.getSecretName(), source.getItems(),
                    Boolean.TRUE.equals(source.getOptional()), configs.secret(namespace, source.getSecretName()));
        }
        if (volume.getDownwardAPI() != null) {
            Map<String, byte[]> files = new TreeMap<>();
            for (DownwardAPIVolumeFile file : volume.getDownwardAPI().getItems()) {
                if (file.getFieldRef() == null) {
                    throw refused(volume.getName(), "resourceFieldRef");
                }
                String value = downward.field(file.getFieldRef().getFieldPath());
                files.put(file.getPath(), value.getBytes(StandardCharsets.UTF_8));
            }
            return write(own, volume.getName(), "downwardAPI", List.of(), false, Optional.of(files));
        }
        throw refused(volume.getName(), "this kind of volume");
    }

    private static NotRunnable refused(String volume, String what) {
        return NotRunnable.config("volume %s: %s is not supported by a process node; emptyDir, hostPath, "
                + "persistentVolumeClaim, configMap, secret and downwardAPI fieldRefs are", volume, what);
    }

    /** Never the real host: a path under a folder that stands for it. */
    private static Path hostPath(String volume, HostPathVolumeSource source, Path root)
            throws NotRunnable, IOException {
        Path folder = inside(root, source.getPath(), "hostPath of volume " + volume);
        String type = source.getType() == null ? "" : source.getType();
        return switch (type) {
            case "", "DirectoryOrCreate" -> Files.createDirectories(folder);
            case "Directory" -> {
                if (!Files.isDirectory(folder)) {
                    throw NotRunnable.config("hostPath volume %s: %s is not a directory of this node (looked in %s)",
                            volume,
                            source.getPath(), folder);
                }
                yield folder;
            }
            default -> throw refused(volume, "hostPath type " + type);
        };
    }

    private static Path write(Path folder, String volume, String origin, List<KeyToPath> items, boolean optional,
            Optional<Map<String, byte[]>> data) throws NotRunnable, IOException {
        Files.createDirectories(folder);
        if (data.isEmpty()) {
            if (optional) {
                return folder;
            }
            throw NotRunnable.config("volume %s: %s not found", volume, origin);
        }
        Map<String, String> files = new TreeMap<>();
        if (items.isEmpty()) {
            data.get().keySet().forEach(key -> files.put(key, key));
        } else {
            items.forEach(item -> files.put(item.getKey(), item.getPath()));
        }
        for (Map.Entry<String, String> file : files.entrySet()) {
            byte[] content = data.get().get(file.getKey());
            if (content == null && !optional) {
                throw NotRunnable.config("volume %s: %s has no key %s", volume, origin, file.getKey());
            }
            if (content != null) {
                Path target = inside(folder, file.getValue(), "path in volume " + volume);
                Files.createDirectories(Optional.ofNullable(target.getParent()).orElse(folder));
                Files.write(target, content);
            }
        }
        return folder;
    }

    /** What one container sees where. */
    MountPaths mountsOf(Container container) throws NotRunnable, IOException {
        if (!container.getVolumeDevices().isEmpty()) {
            throw NotRunnable.config("container %s: volumeDevices are not supported by a process node",
                    container.getName());
        }
        Map<String, Path> mounts = new LinkedHashMap<>();
        for (VolumeMount mount : container.getVolumeMounts()) {
            Path folder = folders.get(mount.getName());
            String path = mount.getMountPath().replaceFirst("/+$", "");
            if (folder == null) {
                throw NotRunnable.config("container %s mounts volume %s, which the pod does not have",
                        container.getName(),
                        mount.getName());
            }
            if (!path.startsWith("/") || mount.getSubPathExpr() != null && !mount.getSubPathExpr().isEmpty()) {
                throw NotRunnable
                        .config("container %s, mount %s: a process node needs an absolute mountPath below / and no "
                                + "subPathExpr", container.getName(), mount.getMountPath());
            }
            mounts.put(path, subPath(folder, mount));
        }
        return MountPaths.of(mounts);
    }

    private static Path subPath(Path folder, VolumeMount mount) throws NotRunnable, IOException {
        if (mount.getSubPath() == null || mount.getSubPath().isEmpty()) {
            return folder;
        }
        Path below = inside(folder, mount.getSubPath(), "subPath of mount " + mount.getMountPath());
        return Files.exists(below) ? below : Files.createDirectories(below);
    }

    private static Path inside(Path root, String path, String what) throws NotRunnable {
        Path resolved = root.resolve(path.replaceFirst("^/+", "")).normalize();
        if (!resolved.startsWith(root)) {
            throw NotRunnable.config("%s: %s leads out of its folder", what, path);
        }
        return resolved;
    }
}
