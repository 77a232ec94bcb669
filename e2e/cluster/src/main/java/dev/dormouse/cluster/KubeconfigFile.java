package dev.dormouse.cluster;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Base64;

/** Kubeconfigs that we write: readable by their owner from the first byte on, since they hold the keys to a cluster. */
final class KubeconfigFile {
    private KubeconfigFile() {}

    /** Replaces a file, whose folder is created when missing. */
    static Path write(Path path, String text) throws IOException {
        Path file = path.toAbsolutePath();
        Files.createDirectories(file.getParent());
        Files.deleteIfExists(file);
        Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        return Files.writeString(file, text);
    }

    /** @param certificateAuthority in PEM; empty for one that every client trusts */
    static String withToken(String server, String certificateAuthority, String token, String namespace) {
        String authority = Base64.getEncoder().encodeToString(certificateAuthority.getBytes(StandardCharsets.UTF_8));
        return """
               apiVersion: v1
               kind: Config
               current-context: dormouse
               clusters:
               - name: dormouse
                 cluster:
                   server: %s
                   certificate-authority-data: %s
               users:
               - name: dormouse
                 user:
                   token: %s
               contexts:
               - name: dormouse
                 context:
                   cluster: dormouse
                   user: dormouse
                   namespace: %s
               """.formatted(server, authority, token, namespace);
    }
}
