package dev.dormouse.sidecar.http;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * A certificate and its key from {@code tls.crt} and {@code tls.key}, PEM, as a Secret of type {@code kubernetes.io/tls} is
 * mounted: RSA, EC or Ed25519; the key in PKCS#8, or in the older forms of its own algorithm that cert-manager writes.
 *
 * @param chain the server's own certificate first
 */
record ServerCertificate(List<X509Certificate> chain, PrivateKey key) {
    private static final Pattern KEY = Pattern
            .compile("-----BEGIN ((?:RSA |EC )?PRIVATE KEY)-----([A-Za-z0-9+/=\\s]+)-----END \\1-----");
    private static final int SEQUENCE = 0x30;
    private static final int OCTETS = 0x04;
    private static final byte[] VERSION_0 = {2, 1, 0};

    /** The very bytes of both files: whether they are still the same. */
    record Source(byte[] certificate, byte[] key) {
        static Source read(Path folder) throws IOException {
            return new Source(Files.readAllBytes(folder.resolve("tls.crt")),
                    Files.readAllBytes(folder.resolve("tls.key")));
        }

        boolean same(Source other) {
            return Arrays.equals(certificate, other.certificate) && Arrays.equals(key, other.key);
        }
    }

    /** @throws IOException naming the file that holds something else */
    static ServerCertificate parse(Path folder, Source source) throws IOException {
        List<X509Certificate> chain = chain(folder.resolve("tls.crt"), source.certificate());
        Path file = folder.resolve("tls.key");
        Matcher pem = KEY.matcher(new String(source.key(), StandardCharsets.ISO_8859_1));
        if (!pem.find()) {
            throw new IOException(file + " is no PEM file with an unencrypted private key");
        }
        try {
            byte[] der = Base64.getMimeDecoder().decode(pem.group(2));
            byte[] pkcs8 = pem.group(1).equals("PRIVATE KEY") ? der : pkcs8(der, chain.getFirst());
            String algorithm = chain.getFirst().getPublicKey().getAlgorithm();
            return new ServerCertificate(chain,
                    KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(pkcs8)));
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            // Without the cause, which may quote the key.
            throw new IOException(file + " is not the private key of the certificate in tls.crt");
        }
    }

    private static List<X509Certificate> chain(Path file, byte[] pem) throws IOException {
        try {
            List<X509Certificate> chain = CertificateFactory.getInstance("X.509")
                    .generateCertificates(new ByteArrayInputStream(pem))
                    .stream()
                    .map(X509Certificate.class::cast)
                    .collect(Collectors.toList());
            if (!chain.isEmpty()) {
                return chain;
            }
        } catch (GeneralSecurityException e) {
            throw new IOException(file + " is no PEM file with certificates: " + e.getMessage(), e);
        }
        throw new IOException(file + " holds no certificate");
    }

    /** RFC 5208 around a key of RFC 8017 or RFC 5915; the algorithm is named in the certificate's public key. */
    private static byte[] pkcs8(byte[] key, X509Certificate certificate) {
        ByteBuffer publicKey = ByteBuffer.wrap(certificate.getPublicKey().getEncoded());
        readHeader(publicKey);
        int start = publicKey.position();
        int length = readHeader(publicKey);
        byte[] algorithm = Arrays.copyOfRange(publicKey.array(), start, publicKey.position() + length);
        return der(SEQUENCE, VERSION_0, algorithm, der(OCTETS, key));
    }

    /** Reads tag and length. @return the length */
    private static int readHeader(ByteBuffer der) {
        der.get();
        int first = der.get() & 0xff;
        if (first < 0x80) {
            return first;
        }
        int length = 0;
        for (int i = 0; i < (first & 0x7f); i++) {
            length = length << 8 | der.get() & 0xff;
        }
        return length;
    }

    private static byte[] der(int tag, byte[]... parts) {
        int length = Arrays.stream(parts).mapToInt(part -> part.length).sum();
        var out = new ByteArrayOutputStream(length + 4);
        out.write(tag);
        if (length < 0x80) {
            out.write(length);
        } else {
            out.write(0x82);
            out.write(length >>> 8);
            out.write(length);
        }
        for (byte[] part : parts) {
            out.writeBytes(part);
        }
        return out.toByteArray();
    }
}
