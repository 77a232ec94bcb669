package dev.dormouse.cluster.kubelet;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A folder whose files change all at once, as a kubelet lays it out: every name is a link through {@code ..data} into a
 * folder of its own for each version. Replacing that one link swaps the version; a reader that resolved it before has
 * consistent files, and a watcher of the folder sees one rename.
 *
 * @see <a href="https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/atomic_writer.go">atomic_writer.go</a>
 */
record SwappedFolder(Path folder) {
    private static final String CURRENT = "..data";
    private static final String NEXT = "..data_tmp";

    /** Replaces what the folder holds; created when missing. */
    void replace(Map<String, VolumeFiles.File> files) throws NotRunnable, IOException {
        Files.createDirectories(folder);
        Path version = Files.createTempDirectory(folder, "..");
        for (Map.Entry<String, VolumeFiles.File> file : files.entrySet()) {
            file.getValue().write(PodVolumes.inside(version, file.getKey(), "path in volume " + folder.getFileName()));
        }
        Path current = folder.resolve(CURRENT);
        Path old = Files.exists(current) ? current.toRealPath() : null;
        Path next = folder.resolve(NEXT);
        Files.deleteIfExists(next);
        Files.createSymbolicLink(next, Objects.requireNonNull(version.getFileName()));
        Files.move(next, current, StandardCopyOption.ATOMIC_MOVE);
        link(files.keySet().stream().map(path -> path.split("/", 2)[0]).collect(Collectors.toSet()));
        if (old != null) {
            Folders.delete(old);
        }
    }

    private void link(Set<String> names) throws IOException {
        for (String name : names) {
            if (!Files.exists(folder.resolve(name), LinkOption.NOFOLLOW_LINKS)) {
                Files.createSymbolicLink(folder.resolve(name), Path.of(CURRENT, name));
            }
        }
        try (DirectoryStream<Path> links = Files.newDirectoryStream(folder, Files::isSymbolicLink)) {
            for (Path link : links) {
                String name = Objects.requireNonNull(link.getFileName()).toString();
                if (!name.equals(CURRENT) && !names.contains(name)) {
                    Files.delete(link);
                }
            }
        }
    }
}
