package dev.dormouse.cluster.apiserver;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.KeyStoreException;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Date;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;

/** A self-signed certificate for 127.0.0.1 with its key, kept in a folder so that a restarted server is trusted again. */
record ServingCertificate(KeyPair key, X509Certificate certificate) {
    private static final Duration LIFETIME = Duration.ofDays(365);
    private static final Duration CLOCK_SKEW = Duration.ofHours(1);
    private static final String ALIAS = "server";
    private static final char[] NO_PASSWORD = {}; // the file is readable by its owner only
    private static final FileAttribute<?> OWNER_ONLY = PosixFilePermissions
            .asFileAttribute(PosixFilePermissions.fromString("rw-------"));

    /**
     * The certificate of a folder, made anew when there is none or it ends within a day.
     *
     * @throws UncheckedIOException when the folder cannot be read or written
     */
    static ServingCertificate in(Path folder, Instant now) {
        Path file = folder.resolve("serving.p12");
        try {
            if (Files.exists(file)) {
                ServingCertificate kept = read(file);
                if (kept.certificate().getNotAfter().toInstant().isAfter(now.plus(Duration.ofDays(1)))) {
                    return kept;
                }
            }
            ServingCertificate made = generate(now);
            Files.createDirectories(folder);
            Files.deleteIfExists(file);
            Files.createFile(file, OWNER_ONLY);
            try (OutputStream out = Files.newOutputStream(file)) {
                made.keyStore().store(out, NO_PASSWORD);
            }
            return made;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot keep the certificate in " + file + ": " + e.getMessage(), e);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(file + " does not hold the certificate of this server: remove it", e);
        }
    }

    private static ServingCertificate read(Path file) throws GeneralSecurityException, IOException {
        try (InputStream in = Files.newInputStream(file)) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(in, NO_PASSWORD);
            X509Certificate certificate = (X509Certificate) store.getCertificate(ALIAS);
            PrivateKey key = (PrivateKey) store.getKey(ALIAS, NO_PASSWORD);
            if (certificate == null || key == null) {
                throw new KeyStoreException("no entry " + ALIAS);
            }
            return new ServingCertificate(new KeyPair(certificate.getPublicKey(), key), certificate);
        }
    }

    private KeyStore keyStore() throws GeneralSecurityException, IOException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, NO_PASSWORD);
        store.setKeyEntry(ALIAS, key.getPrivate(), NO_PASSWORD, new Certificate[]{certificate});
        return store;
    }

    /** One that ends with the process. */
    static ServingCertificate generate(Instant now) {
        try {
            KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
            generator.initialize(new ECGenParameterSpec("secp256r1"));
            KeyPair key = generator.generateKeyPair();
            X500Name name = new X500Name("CN=dormouse-embedded-control-plane");
            var builder = new JcaX509v3CertificateBuilder(name, new BigInteger(64, new SecureRandom()),
                    Date.from(now.minus(CLOCK_SKEW)), Date.from(now.plus(LIFETIME)), name, key.getPublic());
            builder.addExtension(Extension.subjectAlternativeName, false, new GeneralNames(new GeneralName[]{
                    new GeneralName(GeneralName.iPAddress, "127.0.0.1"),
                    new GeneralName(GeneralName.dNSName, "localhost")}));
            var signer = new JcaContentSignerBuilder("SHA256withECDSA").build(key.getPrivate());
            return new ServingCertificate(key, new JcaX509CertificateConverter().getCertificate(builder.build(signer)));
        } catch (GeneralSecurityException | OperatorCreationException | IOException e) {
            throw new IllegalStateException("cannot make a certificate for the embedded control plane", e);
        }
    }

    SSLContext sslContext() {
        try {
            KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            managers.init(keyStore(), NO_PASSWORD);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(managers.getKeyManagers(), null, null);
            return context;
        } catch (GeneralSecurityException | IOException e) {
            throw new IllegalStateException("cannot set up TLS for the embedded control plane", e);
        }
    }

    String pem() {
        try {
            String base64 = Base64.getMimeEncoder(64, new byte[]{'\n'}).encodeToString(certificate.getEncoded());
            return "-----BEGIN CERTIFICATE-----\n" + base64 + "\n-----END CERTIFICATE-----\n";
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("cannot encode a certificate just made", e);
        }
    }
}
