package dev.dormouse.cluster;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * etcd, kube-apiserver and kubectl of one Kubernetes version, in the folder layout of kube-api-test and envtest.
 *
 * @param folder holds {@code k8s/<version>-linux-amd64}
 * @param version such as {@code 1.34.1}
 */
record ApiServerBinaries(Path folder, String version) {
    private static final List<String> NAMES = List.of("etcd", "kube-apiserver", "kubectl");
    private static final String PLATFORM = "-linux-amd64";

    /**
     * Looks for them.
     *
     * @param wanted empty: the newest version that is there
     * @throws IOException naming what is missing, where it was looked for, and where to get it
     */
    static ApiServerBinaries find(Path folder, Optional<String> wanted) throws IOException {
        List<String> versions = versions(folder.resolve("k8s"));
        String version = wanted.or(() -> versions.stream()
                .max(Comparator.comparing(ApiServerBinaries::numbers,
                        Arrays::compare)))
                .orElseThrow(() -> new IOException(missing(folder.resolve("k8s/<version>" + PLATFORM), NAMES)));
        Path place = folder.resolve("k8s").resolve(version + PLATFORM);
        List<String> absent = NAMES.stream().filter(name -> !Files.isExecutable(place.resolve(name))).toList();
        if (!absent.isEmpty()) {
            throw new IOException(missing(place, absent)
                    + (versions.isEmpty() ? "" : "; versions that are there: " + String.join(", ", versions)));
        }
        return new ApiServerBinaries(folder, version);
    }

    private static String missing(Path place, List<String> names) {
        return "no executable " + String.join(", ", names) + " in " + place
                + ": unpack an envtest archive there (kubernetes-sigs/controller-tools, releases envtest-v1.…)";
    }

    private static List<String> versions(Path k8s) throws IOException {
        if (!Files.isDirectory(k8s)) {
            return List.of();
        }
        try (Stream<Path> folders = Files.list(k8s)) {
            return folders.map(path -> path.getFileName().toString())
                    .filter(name -> name.matches("\\d+\\.\\d+\\.\\d+" + PLATFORM))
                    .map(name -> name.substring(0, name.length() - PLATFORM.length()))
                    .sorted()
                    .toList();
        }
    }

    private static int[] numbers(String version) {
        return Arrays.stream(version.split("\\.")).mapToInt(Integer::parseInt).toArray();
    }
}
