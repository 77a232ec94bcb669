package dev.dormouse.sidecar.api;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;
import javax.net.ssl.X509TrustManager;

/**
 * How operator and gateway know a sidecar: its certificate comes from the authority they are told, and bears
 * {@link #SERVER_NAME}. Not the address: pods' addresses come and go, so all sidecars share one name, as in a service
 * mesh. When a certificate is refused the authority's file is looked at again, since it may have been renewed.
 * Thread-safe.
 */
public final class SidecarTls extends X509ExtendedTrustManager {
    /** DNS name in the certificate of every sidecar. */
    public static final String SERVER_NAME = "dormouse-sidecar";
    private static final int DNS_NAME = 2;

    private final Path authority;
    private byte[] pem;
    private X509TrustManager chains;

    /**
     * @param authority PEM file with one certificate or more
     * @throws IOException naming the file when it cannot be read or holds no certificate
     */
    public SidecarTls(Path authority) throws IOException {
        this.authority = authority;
        this.pem = Files.readAllBytes(authority);
        this.chains = chains(authority, pem);
    }

    /** For a client of sidecars. */
    public SSLContext context() {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, new TrustManager[]{this}, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has TLS", e);
        }
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType) throws CertificateException {
        try {
            current().checkServerTrusted(chain, authType);
        } catch (CertificateException refused) {
            if (!renewed()) {
                throw refused;
            }
            current().checkServerTrusted(chain, authType);
        }
        Collection<List<?>> names = chain[0].getSubjectAlternativeNames();
        if (names == null || !names.contains(List.of(DNS_NAME, SERVER_NAME))) {
            throw new CertificateException(
                    "the certificate is good and not a sidecar's: it bears no DNS name " + SERVER_NAME);
        }
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket)
            throws CertificateException {
        checkServerTrusted(chain, authType);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
            throws CertificateException {
        checkServerTrusted(chain, authType);
    }

    private synchronized X509TrustManager current() {
        return chains;
    }

    private synchronized boolean renewed() {
        try {
            byte[] now = Files.readAllBytes(authority);
            if (Arrays.equals(now, pem)) {
                return false;
            }
            chains = chains(authority, now);
            pem = now;
            return true;
        } catch (IOException halfWritten) {
            // The one at hand stays in use; the next handshake looks again.
            return false;
        }
    }

    private static X509TrustManager chains(Path file, byte[] pem) throws IOException {
        try {
            KeyStore authorities = KeyStore.getInstance(KeyStore.getDefaultType());
            authorities.load(null, null);
            int number = 0;
            for (Certificate certificate : CertificateFactory.getInstance("X.509")
                    .generateCertificates(new ByteArrayInputStream(pem))) {
                authorities.setCertificateEntry(Integer.toString(number++), certificate);
            }
            if (number > 0) {
                TrustManagerFactory factory = TrustManagerFactory
                        .getInstance(TrustManagerFactory.getDefaultAlgorithm());
                factory.init(authorities);
                return (X509TrustManager) factory.getTrustManagers()[0];
            }
        } catch (GeneralSecurityException e) {
            throw new IOException(file + " is no PEM file with certificates: " + e.getMessage(), e);
        }
        throw new IOException(file + " holds no certificate");
    }

    /** Sidecars ask nobody for a certificate. */
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType) throws CertificateException {
        throw new CertificateException("we are no server");
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket)
            throws CertificateException {
        checkClientTrusted(chain, authType);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
            throws CertificateException {
        checkClientTrusted(chain, authType);
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
        return current().getAcceptedIssuers();
    }
}
