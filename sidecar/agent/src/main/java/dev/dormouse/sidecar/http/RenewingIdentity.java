package dev.dormouse.sidecar.http;

import java.io.IOException;
import java.net.Socket;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedKeyManager;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The server's certificate, read anew when the mounted Secret has changed: a model may serve for longer than a
 * certificate lasts. Files that are half changed, or broken, leave the old one in use. Thread-safe.
 */
final class RenewingIdentity extends X509ExtendedKeyManager {
    private static final Logger LOG = LoggerFactory.getLogger(RenewingIdentity.class);

    private record Loaded(ServerCertificate.Source source, ServerCertificate certificate, String alias) {}

    private final Path folder;
    private final long checkNanos;
    /** Handshakes under way may still ask for the one before. */
    private final Map<String, ServerCertificate> byAlias = new ConcurrentHashMap<>();
    private Loaded loaded;
    private long checkedAt = System.nanoTime();
    private int number;

    private RenewingIdentity(Path folder, Duration check) throws IOException {
        this.folder = folder;
        this.checkNanos = check.toNanos();
        ServerCertificate.Source source = ServerCertificate.Source.read(folder);
        this.loaded = load(source);
    }

    /**
     * TLS with that certificate.
     *
     * @param check how long a certificate is served before the files are looked at again
     * @throws IOException naming the file that is missing or no key or certificate
     */
    static SSLContext context(Path folder, Duration check) throws IOException {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(new KeyManager[]{new RenewingIdentity(folder, check)}, null, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IOException("TLS with the certificate of " + folder + " is not possible", e);
        }
    }

    private Loaded load(ServerCertificate.Source source) throws IOException {
        ServerCertificate certificate = ServerCertificate.parse(folder, source);
        String alias = Integer.toString(number++);
        byAlias.put(alias, certificate);
        byAlias.remove(Integer.toString(number - 3));
        return new Loaded(source, certificate, alias);
    }

    private synchronized Loaded current() {
        if (System.nanoTime() - checkedAt < checkNanos) {
            return loaded;
        }
        checkedAt = System.nanoTime();
        try {
            ServerCertificate.Source source = ServerCertificate.Source.read(folder);
            if (!source.same(loaded.source())) {
                loaded = load(source);
                LOG.info("Serving with the certificate that is valid until {}",
                        loaded.certificate().chain().getFirst().getNotAfter());
            }
        } catch (IOException e) {
            LOG.warn("The old certificate stays in use: {}", e.getMessage());
        }
        return loaded;
    }

    @Override
    public @Nullable String chooseEngineServerAlias(String keyType, Principal @Nullable [] issuers,
            @Nullable SSLEngine engine) {
        Loaded now = current();
        String ours = now.certificate().chain().getFirst().getPublicKey().getAlgorithm();
        return keyType.equals(ours) || keyType.startsWith("EC") && ours.equals("EC")
                || keyType.startsWith("Ed") && ours.startsWith("Ed") ? now.alias() : null;
    }

    @Override
    public @Nullable String chooseServerAlias(String keyType, Principal @Nullable [] issuers,
            @Nullable Socket socket) {
        return chooseEngineServerAlias(keyType, issuers, null);
    }

    @Override
    public X509Certificate @Nullable [] getCertificateChain(String alias) {
        ServerCertificate certificate = byAlias.get(alias);
        return certificate == null ? null : certificate.chain().toArray(new X509Certificate[0]);
    }

    @Override
    public @Nullable PrivateKey getPrivateKey(String alias) {
        ServerCertificate certificate = byAlias.get(alias);
        return certificate == null ? null : certificate.key();
    }

    @Override
    public String[] getServerAliases(String keyType, Principal @Nullable [] issuers) {
        return new String[]{current().alias()};
    }

    /** We are never a client. */
    @Override
    public String @Nullable [] getClientAliases(String keyType, Principal @Nullable [] issuers) {
        return null;
    }

    @Override
    public @Nullable String chooseClientAlias(String[] keyType, Principal @Nullable [] issuers,
            @Nullable Socket socket) {
        return null;
    }
}
