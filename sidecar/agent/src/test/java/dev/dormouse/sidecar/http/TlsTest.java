package dev.dormouse.sidecar.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import dev.dormouse.sidecar.api.SidecarTls;
import java.io.IOException;
import java.math.BigInteger;
import java.net.InetAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** https with the certificate of a mounted Secret. */
class TlsTest {
    private static final String PASSWORD = "changeit";
    /** Keys of EC whose certificate bears the name of all sidecars, and no address. */
    private static final String NAMED = "named";

    @TempDir
    static Path stores;
    @TempDir
    Path secret;

    private record Pair(X509Certificate certificate, byte[] pkcs8) {}

    @BeforeAll
    static void make() throws Exception {
        for (String name : new String[]{"RSA", "EC", NAMED}) {
            String algorithm = name.equals(NAMED) ? "EC" : name;
            Process keytool = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                    "-genkeypair", "-alias", "k", "-keyalg", algorithm, "-dname", "CN=sidecar", "-ext",
                    name.equals(NAMED) ? "san=dns:" + SidecarTls.SERVER_NAME : "san=ip:127.0.0.1", "-storetype",
                    "PKCS12", "-keystore", stores.resolve(name).toString(),
                    "-storepass", PASSWORD).inheritIO().start();
            assertThat(keytool.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(keytool.exitValue()).isZero();
        }
    }

    @BeforeEach
    void secret() throws Exception {
        write("RSA", "PRIVATE KEY");
    }

    @ParameterizedTest
    @CsvSource({"RSA,PRIVATE KEY", "RSA,RSA PRIVATE KEY", "EC,PRIVATE KEY", "EC,EC PRIVATE KEY"})
    void aKeyServesInEveryFormThatCertManagerWrites(String algorithm, String form) throws Exception {
        Pair pair = write(algorithm, form);
        try (StatusServer server = start()) {
            assertThat(serialServed(server)).isEqualTo(pair.certificate().getSerialNumber());
        }
    }

    @Test
    void theCertificateIsReadAgainWhenTheSecretHasChangedAndABrokenOneIsNot() throws Exception {
        SSLContext tls = RenewingIdentity.context(secret, Duration.ZERO);
        var configurator = new com.sun.net.httpserver.HttpsConfigurator(tls);
        var server = com.sun.net.httpserver.HttpsServer.create(new java.net.InetSocketAddress("127.0.0.1", 0), 1);
        server.setHttpsConfigurator(configurator);
        server.setExecutor(java.util.concurrent.Executors.newVirtualThreadPerTaskExecutor());
        server.start();
        try {
            int port = server.getAddress().getPort();
            assertThat(serialServed(port)).isEqualTo(pair("RSA").certificate().getSerialNumber());
            write("EC", "PRIVATE KEY");
            assertThat(serialServed(port)).isEqualTo(pair("EC").certificate().getSerialNumber());
            Files.writeString(secret.resolve("tls.crt"), "half");
            assertThat(serialServed(port)).isEqualTo(pair("EC").certificate().getSerialNumber());
        } finally {
            server.stop(0);
        }
    }

    @Test
    void whatIsNoCertificateOrNotItsKeyIsRefusedBeforeAnybodyListens() throws Exception {
        Files.writeString(secret.resolve("tls.key"), pem("PRIVATE KEY", pair("EC").pkcs8()));
        assertThatIOException().isThrownBy(this::start).withMessageContaining("tls.key is not the private key");
        Files.writeString(secret.resolve("tls.key"), "no key");
        assertThatIOException().isThrownBy(this::start).withMessageContaining("tls.key is no PEM file");
        Files.writeString(secret.resolve("tls.crt"), "");
        assertThatIOException().isThrownBy(this::start).withMessageContaining("tls.crt holds no certificate");
        Files.delete(secret.resolve("tls.crt"));
        assertThatIOException().isThrownBy(this::start).withMessageContaining("tls.crt");
    }

    @Test
    @DisplayName("A client that knows the authority accepts a sidecar by its name at whatever address, and nobody else")
    void sidecarsAreKnownByTheirName() throws Exception {
        write(NAMED, "PRIVATE KEY");
        Path authority = Files.copy(secret.resolve("tls.crt"), secret.resolve("ca.crt"));
        try (StatusServer server = start()) {
            assertThat(get(server, authority)).isEqualTo(200);
            Files.writeString(authority, pem("CERTIFICATE", pair("RSA").certificate().getEncoded()));
            assertThatIOException().as("of another authority").isThrownBy(() -> get(server, authority));
        }
        write("RSA", "PRIVATE KEY");
        try (StatusServer server = start()) {
            assertThatIOException().as("of the right authority, for an address")
                    .isThrownBy(() -> get(server, authority))
                    .withMessageContaining("bears no DNS name dormouse-sidecar");
        }
        Files.writeString(authority, "none");
        assertThatIOException().isThrownBy(() -> new SidecarTls(authority)).withMessageContaining("ca.crt");
    }

    @Test
    void anAuthorityThatIsRenewedIsReadAgain() throws Exception {
        Path authority = Files.writeString(secret.resolve("ca.crt"),
                pem("CERTIFICATE", pair("RSA").certificate().getEncoded()));
        SidecarTls tls = new SidecarTls(authority);
        write(NAMED, "PRIVATE KEY");
        try (StatusServer server = start()) {
            assertThatIOException().isThrownBy(() -> get(server, tls));
            Files.writeString(authority, "half");
            assertThatIOException().isThrownBy(() -> get(server, tls));

            Files.copy(secret.resolve("tls.crt"), authority, StandardCopyOption.REPLACE_EXISTING);

            assertThat(get(server, tls)).isEqualTo(200);
        }
    }

    private static int get(StatusServer server, Path authority) throws Exception {
        return get(server, new SidecarTls(authority));
    }

    private static int get(StatusServer server, SidecarTls tls) throws Exception {
        try (HttpClient http = HttpClient.newBuilder().sslContext(tls.context()).build()) {
            URI uri = URI.create("https://127.0.0.1:" + server.port() + "/livez");
            return http.send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.discarding()).statusCode();
        }
    }

    private StatusServer start() throws IOException {
        var nothing = new StatusServerTest.NoSnapshots();
        return StatusServer.start("127.0.0.1", 0, new StatusServerTest.Feed(), new SnapshotRoutes(null, nothing, null),
                nothing, StatusServerTest.HOST, secret);
    }

    /** Also asks for something, so that the whole way is used. */
    private static BigInteger serialServed(StatusServer server) throws Exception {
        return serialServed(server.port());
    }

    private static BigInteger serialServed(int port) throws Exception {
        SSLContext anybody = SSLContext.getInstance("TLS");
        anybody.init(null, new TrustManager[]{new Anybody()}, null);
        try (SSLSocket socket = (SSLSocket) anybody.getSocketFactory()
                .createSocket(InetAddress.getLoopbackAddress(), port)) {
            socket.setSoTimeout(20_000);
            socket.getOutputStream().write("GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".getBytes());
            assertThat(new String(socket.getInputStream().readNBytes(8))).isEqualTo("HTTP/1.1");
            return ((X509Certificate) socket.getSession().getPeerCertificates()[0]).getSerialNumber();
        }
    }

    private Pair write(String algorithm, String form) throws Exception {
        Pair pair = pair(algorithm);
        Files.writeString(secret.resolve("tls.crt"), pem("CERTIFICATE", pair.certificate().getEncoded()));
        byte[] key = form.equals("PRIVATE KEY") ? pair.pkcs8() : inner(pair.pkcs8());
        Files.writeString(secret.resolve("tls.key"), pem(form, key));
        return pair;
    }

    private static Pair pair(String algorithm) throws Exception {
        KeyStore store = KeyStore.getInstance(stores.resolve(algorithm).toFile(), PASSWORD.toCharArray());
        return new Pair((X509Certificate) store.getCertificate("k"),
                store.getKey("k", PASSWORD.toCharArray()).getEncoded());
    }

    private static String pem(String kind, byte[] der) {
        return "-----BEGIN %s-----\n%s\n-----END %s-----\n".formatted(kind,
                Base64.getMimeEncoder(64, new byte[]{'\n'}).encodeToString(der), kind);
    }

    /** What PKCS#8 wraps: version, algorithm, then the key in its own form. */
    private static byte[] inner(byte[] pkcs8) {
        ByteBuffer der = ByteBuffer.wrap(pkcs8);
        header(der);
        der.position(der.position() + 3);
        int algorithm = header(der);
        der.position(der.position() + algorithm);
        int length = header(der);
        return Arrays.copyOfRange(pkcs8, der.position(), der.position() + length);
    }

    private static int header(ByteBuffer der) {
        der.get();
        int first = der.get() & 0xff;
        int length = first < 0x80 ? first : 0;
        for (int i = 0; first >= 0x80 && i < (first & 0x7f); i++) {
            length = length << 8 | der.get() & 0xff;
        }
        return length;
    }

    private static final class Anybody implements X509TrustManager {
        @Override
        public void checkClientTrusted(X509Certificate @Nullable [] chain, @Nullable String authType) {
            // never asked
        }

        @Override
        public void checkServerTrusted(X509Certificate @Nullable [] chain, @Nullable String authType) {
            // the test compares what was served
        }

        @Override
        public X509Certificate[] getAcceptedIssuers() {
            return new X509Certificate[0];
        }
    }
}
