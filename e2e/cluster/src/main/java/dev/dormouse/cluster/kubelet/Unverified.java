package dev.dormouse.cluster.kubelet;

import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;
import org.jspecify.annotations.Nullable;

/** Probes by https look at no certificate, as a kubelet's do: they ask whether somebody answers, not who. */
final class Unverified extends X509ExtendedTrustManager {
    private static final SSLContext TLS = context();

    private Unverified() {}

    static void probe(HttpsURLConnection connection) {
        connection.setSSLSocketFactory(TLS.getSocketFactory());
        connection.setHostnameVerifier((host, session) -> true);
    }

    private static SSLContext context() {
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, new TrustManager[]{new Unverified()}, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has TLS", e);
        }
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, @Nullable String authType) {
        // never asked
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, @Nullable String authType, @Nullable Socket socket) {
        // never asked
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, @Nullable String authType, @Nullable SSLEngine engine) {
        // never asked
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, @Nullable String authType) {
        // whoever answers
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, @Nullable String authType, @Nullable Socket socket) {
        // whoever answers
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, @Nullable String authType, @Nullable SSLEngine engine) {
        // whoever answers
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
        return new X509Certificate[0];
    }
}
