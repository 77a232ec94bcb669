package dev.dormouse.gateway.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsParameters;
import com.sun.net.httpserver.HttpsServer;
import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.gateway.route.PodRoute;
import dev.dormouse.sidecar.api.SidecarStatus;
import dev.dormouse.sidecar.api.SidecarTls;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.Base64;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The gateway follows sidecars that serve https. */
class SidecarTlsTest {
    private static final String PASSWORD = "changeit";
    private static final String READY = """
                                        {"sequence": 1, "instance": "i", "podUid": "uid", "model": "ns/m", "phase": "Ready", "phases": []}
                                        """;

    @TempDir
    static Path stores;

    private final Vertx vertx = Vertx.vertx();
    private final Queue<SidecarStatus> said = new ConcurrentLinkedQueue<>();
    private final AtomicInteger answered = new AtomicInteger();
    private final AtomicInteger handshakes = new AtomicInteger();
    private final HttpsServer sidecar = bind();

    @BeforeAll
    static void make() throws Exception {
        for (String name : new String[]{"dns:" + SidecarTls.SERVER_NAME, "ip:127.0.0.1"}) {
            Process keytool = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                    "-genkeypair", "-alias", "k", "-keyalg", "EC", "-dname", "CN=sidecar", "-ext", "san=" + name,
                    "-storetype", "PKCS12", "-keystore", store(name).toString(), "-storepass", PASSWORD).inheritIO()
                    .start();
            assertThat(keytool.waitFor(60, TimeUnit.SECONDS)).isTrue();
        }
    }

    @AfterEach
    void stop() throws Exception {
        sidecar.stop(0);
        vertx.close().toCompletionStage().toCompletableFuture().get();
    }

    @Test
    @DisplayName("A sidecar is believed by the name in its certificate, whatever its address")
    void aSidecarIsKnownByItsName() throws Exception {
        start("dns:" + SidecarTls.SERVER_NAME);

        follow(authority("dns:" + SidecarTls.SERVER_NAME));

        await().until(() -> !said.isEmpty());
        assertThat(said.element().podUid()).isEqualTo("uid");
    }

    @Test
    void somebodyElseIsAskedNothing() throws Exception {
        start("ip:127.0.0.1");

        follow(authority("ip:127.0.0.1"));

        await().until(() -> handshakes.get() >= 3);
        assertThat(answered).hasValue(0);
        assertThat(said).isEmpty();
    }

    private void follow(SidecarTls tls) {
        SidecarWatches watches = new SidecarWatches(vertx, sidecar.getAddress().getPort(), Optional.of(tls));
        vertx.runOnContext(nothing -> watches.follow(
                new PodRoute("uid", new ModelKey("ns", "m"), Optional.of("127.0.0.1"), 1, false, false, false),
                said::add));
    }

    private void start(String name) throws Exception {
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(read(name), PASSWORD.toCharArray());
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(keys.getKeyManagers(), null, null);
        sidecar.setHttpsConfigurator(new HttpsConfigurator(tls) {
            @Override
            public void configure(HttpsParameters parameters) {
                handshakes.incrementAndGet();
                super.configure(parameters);
            }
        });
        sidecar.createContext("/status", exchange -> {
            answered.incrementAndGet();
            try (exchange) {
                byte[] line = READY.getBytes(StandardCharsets.UTF_8);
                exchange.sendResponseHeaders(200, line.length);
                exchange.getResponseBody().write(line);
            }
        });
        sidecar.start();
    }

    private static HttpsServer bind() {
        try {
            return HttpsServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The certificate is its own authority. */
    private static SidecarTls authority(String name) throws Exception {
        Path pem = stores.resolve(name.replace(':', '-') + ".pem");
        Files.writeString(pem, "-----BEGIN CERTIFICATE-----\n"
                + Base64.getMimeEncoder().encodeToString(read(name).getCertificate("k").getEncoded())
                + "\n-----END CERTIFICATE-----\n");
        return new SidecarTls(pem);
    }

    private static KeyStore read(String name) throws Exception {
        return KeyStore.getInstance(store(name).toFile(), PASSWORD.toCharArray());
    }

    private static Path store(String name) {
        return stores.resolve(name.replace(':', '-'));
    }
}
