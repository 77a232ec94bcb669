package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.HostPathVolumeSource;
import io.fabric8.kubernetes.api.model.Volume;
import io.fabric8.kubernetes.api.model.VolumeMount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * A pod's volumes as folders. Files of config maps, secrets, tokens and the downward API follow their source. Nothing
 * enforces {@code readOnly} or {@code sizeLimit}.
 */
final class PodVolumes {
    private final Launch.ConfigSource configs;
    /** Volume name to folder. */
    private final Map<String, Path> folders = new HashMap<>();
    /** What was written last of those volumes that are made of files. */
    private final Map<Volume, Map<String, VolumeFiles.File>> written = new LinkedHashMap<>();

    /** Where a node keeps what volumes are made of. */
    record Roots(Path pod, Path host, Path claims) {}

    private PodVolumes(Launch.ConfigSource configs) {
        this.configs = configs;
    }

    static PodVolumes prepare(List<Volume> volumes, Launch.Downward downward, Launch.ConfigSource configs, Roots roots)
            throws NotRunnable, IOException {
        PodVolumes prepared = new PodVolumes(configs);
        for (Volume volume : volumes) {
            Path own = roots.pod().resolve(volume.getName());
            Optional<Map<String, VolumeFiles.File>> files = VolumeFiles.of(volume, downward, configs);
            if (files.isPresent()) {
                new SwappedFolder(own).replace(files.get());
                prepared.written.put(volume, files.get());
            }
            String namespace = downward.pod().getMetadata().getNamespace();
            prepared.folders.put(volume.getName(), files.isPresent() ? own : folder(volume, namespace, own, roots));
        }
        return prepared;
    }

    /** Whether there is anything that may change under a running pod. */
    boolean followSources() {
        return !written.isEmpty();
    }

    /**
     * Writes what has changed since.
     *
     * @throws NotRunnable when something is missing now; the files of that volume stay as they are
     */
    void refresh(Launch.Downward downward) throws NotRunnable, IOException {
        for (Map.Entry<Volume, Map<String, VolumeFiles.File>> volume : written.entrySet()) {
            Map<String, VolumeFiles.File> now = VolumeFiles.of(volume.getKey(), downward, configs)
                    .orElseThrow();
            if (!now.equals(volume.getValue())) {
                new SwappedFolder(Objects.requireNonNull(folders.get(volume.getKey().getName()))).replace(now);
                volume.setValue(now);
            }
        }
    }

    private static Path folder(Volume volume, String namespace, Path own, Roots roots)
            throws NotRunnable, IOException {
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
        throw refused(volume.getName(), "this kind of volume");
    }

    private static NotRunnable refused(String volume, String what) {
        return NotRunnable.config("volume %s: %s is not supported by a process node; emptyDir, hostPath, "
                + "persistentVolumeClaim, configMap, secret, downwardAPI and projected are", volume, what);
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

    static Path inside(Path root, String path, String what) throws NotRunnable {
        Path resolved = root.resolve(path.replaceFirst("^/+", "")).normalize();
        if (!resolved.startsWith(root)) {
            throw NotRunnable.config("%s: %s leads out of its folder", what, path);
        }
        return resolved;
    }
}
