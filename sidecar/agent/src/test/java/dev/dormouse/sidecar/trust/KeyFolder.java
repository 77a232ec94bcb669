package dev.dormouse.sidecar.trust;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Key;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.util.Arrays;
import java.util.Base64;
import org.jspecify.annotations.Nullable;

/** Keys in files, as Kubernetes mounts Secrets. */
public final class KeyFolder {
    private final Path root;

    public KeyFolder(Path root) throws IOException {
        this.root = root;
        Files.createDirectories(root.resolve("trusted"));
        Files.createDirectories(root.resolve("signing"));
        Files.createDirectories(root.resolve("wrapping"));
        // What a mounted Secret has beside its entries.
        Files.createDirectories(root.resolve("wrapping/..2026_11_21"));
    }

    /** A new pair of keys; the public one is trusted. */
    public KeyFolder signer(String id) throws IOException, GeneralSecurityException {
        KeyPair pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
        pem(root.resolve("trusted/" + id + ".pem"), "PUBLIC KEY", pair.getPublic());
        pem(root.resolve("signing/" + id + ".pem"), "PRIVATE KEY", pair.getPrivate());
        return this;
    }

    public KeyFolder distrust(String id) throws IOException {
        Files.delete(root.resolve("trusted/" + id + ".pem"));
        return this;
    }

    /** @param content of all its bytes */
    public KeyFolder wrapping(String id, int content) throws IOException {
        var key = new byte[32];
        Arrays.fill(key, (byte) content);
        Files.write(root.resolve("wrapping/" + id), key);
        return this;
    }

    public KeyFolder forget(String wrapping) throws IOException {
        Files.delete(root.resolve("wrapping/" + wrapping));
        return this;
    }

    public Path file(String name) {
        return root.resolve(name);
    }

    /** @param signer absent: nothing is signed and no signature required */
    public Trust trust(String volume, @Nullable String signer, boolean encrypted) throws TrustException {
        return Trust.load(settings(volume, signer, encrypted));
    }

    public TrustSettings settings(String volume, @Nullable String signer, boolean encrypted) {
        return new TrustSettings(volume, signer != null, signer == null ? null : root.resolve("trusted"),
                signer == null ? null : root.resolve("signing/" + signer + ".pem"),
                encrypted ? root.resolve("wrapping") : null);
    }

    private static void pem(Path file, String kind, Key key) throws IOException {
        Files.writeString(file, "-----BEGIN " + kind + "-----\n"
                + Base64.getMimeEncoder(64, new byte[]{'\n'}).encodeToString(key.getEncoded()) + "\n-----END " + kind
                + "-----\n");
    }
}
