package dev.dormouse.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.dormouse.api.v1alpha1.InferenceModel;
import dev.dormouse.api.v1alpha1.ModelSnapshot;
import dev.dormouse.api.v1alpha1.ModelSnapshotStatus.Verification;
import dev.dormouse.api.v1alpha1.ModelStatus.LastWake;
import dev.dormouse.cli.local.LocalOptions;
import dev.dormouse.sidecar.api.PodConventions;
import dev.dormouse.sidecar.api.SidecarTls;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Key;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** The example with encryption and signatures, in a cluster whose sidecars serve https. */
@EnabledIfSystemProperty(named = "slow", matches = "true", disabledReason = "takes a minute: .ci/run runs it, with -Dslow=true")
class SealedSnapshotsIT extends Story {
    private static final String VERIFY = "dormouse.dev/verify-requested-at";
    private static final String TLS_SECRET = "sidecar-tls";
    private static final String PASSWORD = "changeit";
    private static final Verification NONE = new Verification("", "", "", null, null, null);
    private static final byte[] WRAPPING = random();

    @TempDir
    static Path certificates;

    @Override
    LocalOptions options(LocalOptions options) {
        makeCertificate(certificates);
        String authority = certificates.resolve("tls.crt").toString();
        return options.withOperatorSetting("DORMOUSE_SIDECAR_TLS_SECRET", TLS_SECRET)
                .withOperatorSetting("DORMOUSE_SIDECAR_CA", authority)
                .withGatewaySetting("DORMOUSE_SIDECAR_CA", authority);
    }

    @BeforeAll
    void keys() throws Exception {
        secret(TLS_SECRET, Map.of("tls.crt", Files.readAllBytes(certificates.resolve("tls.crt")), "tls.key",
                Files.readAllBytes(certificates.resolve("tls.key"))));
        secret("sealed-keys", Map.of("2026-11", WRAPPING));
        KeyPair signer = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
        secret("sealed-signer", Map.of("ci-2026.pem", pem("PRIVATE KEY", signer.getPrivate())));
        cluster().client()
                .resource(new ConfigMapBuilder().withNewMetadata()
                        .withName("snapshot-signers")
                        .withNamespace("default")
                        .endMetadata()
                        .addToData("ci-2026.pem",
                                new String(pem("PUBLIC KEY", signer.getPublic()), StandardCharsets.UTF_8))
                        .build())
                .create();
    }

    @Test
    @DisplayName("S23, S31, S32: a sealed model wakes from its own snapshot; with another key, or from another model's volume, it comes up cold and says why")
    void sealedSnapshots() throws Exception {
        cluster().apply(HOME.resolve("docs/examples/sealed.yaml"));
        awaitListed("sealed");
        HttpResponse<String> cold = ask("sealed", 90);
        awaitAsleepWithSnapshot("sealed");
        Path volume = cluster().claimFolder("default", "sealed-snapshots");
        assertThat(manifest(volume)).as("encrypted").contains("\"dataKey\"");
        assertThat(manifestFile(volume).resolveSibling("manifest.sig")).as("signed").exists();

        HttpResponse<String> restored = ask("sealed", 90);

        assertThat(embedding(restored)).isEqualTo(embedding(cold));
        assertThat(restored.headers().firstValue("X-Dormouse-Wake")).get().asString().startsWith("Volume");

        // Somebody copies the volume for a model of theirs, which has the same keys and another claim.
        awaitAsleepWithSnapshot("sealed");
        copy(volume, cluster().claimFolder("default", "thief-snapshots"));
        applyYaml(
                Files.readString(HOME.resolve("docs/examples/sealed.yaml")).replace("name: sealed\n", "name: thief\n"));
        awaitListed("thief");
        assertThat(ask("thief", 90).statusCode()).isEqualTo(200);
        awaitModel("thief", model -> rung(model).equals("Cold")
                && refusal(model).contains("the volume belongs to someone else"));
        model("thief").delete();

        // Another key under the same name: what is there cannot be opened.
        secret("sealed-keys", Map.of("2026-11", random()));
        HttpResponse<String> wrongKey = ask("sealed", 90);
        assertThat(embedding(wrongKey)).isEqualTo(embedding(cold));
        awaitModel("sealed", model -> rung(model).equals("Cold") && refusal(model).contains("does not open its key"));
        await().atMost(PATIENCE).until(() -> pods("sealed").isEmpty());

        // The right one again: nothing was lost meanwhile, and a store pod can prove it while the model sleeps.
        secret("sealed-keys", Map.of("2026-11", WRAPPING));
        assertThat(verified("first").result()).isEqualTo("Intact");
        flipAByte();
        Verification damaged = verified("second");
        assertThat(damaged.result()).as("%s", damaged).isEqualTo("Damaged");
        await().atMost(PATIENCE)
                .until(() -> snapshot().getStatus().conditions.stream()
                        .anyMatch(condition -> "Quarantined".equals(condition.getReason())));
    }

    private static String rung(InferenceModel model) {
        LastWake wake = model.getStatus().lastWake;
        return wake == null ? "" : wake.rung();
    }

    private static String refusal(InferenceModel model) {
        var snapshotReady = condition(model, "SnapshotReady");
        return "Failed".equals(snapshotReady.getReason())
                ? Objects.requireNonNullElse(snapshotReady.getMessage(), "")
                : "";
    }

    private ModelSnapshot snapshot() {
        return cluster().client()
                .resources(ModelSnapshot.class)
                .inNamespace("default")
                .withLabel(PodConventions.LABEL_MODEL, "sealed")
                .list()
                .getItems()
                .getFirst();
    }

    private Verification verified(String wish) {
        String patch = "{\"metadata\": {\"annotations\": {\"%s\": \"%s\"}}}".formatted(VERIFY, wish);
        cluster().client().resource(snapshot()).patch(PatchContext.of(PatchType.JSON_MERGE), patch);
        return await().atMost(PATIENCE)
                .until(() -> Objects.requireNonNullElse(snapshot().getStatus().verification, NONE),
                        verification -> verification.requested().equals(wish));
    }

    private static Path manifestFile(Path volume) throws IOException {
        try (Stream<Path> files = Files.walk(volume)) {
            return files.filter(file -> file.endsWith("manifest.json")).findFirst().orElseThrow();
        }
    }

    private static String manifest(Path volume) throws IOException {
        return Files.readString(manifestFile(volume));
    }

    private void flipAByte() throws IOException {
        Path pack = packs("sealed").getFirst();
        byte[] bytes = Files.readAllBytes(pack);
        bytes[bytes.length / 2] ^= 0x10;
        Files.write(pack, bytes);
    }

    private static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : files.toList()) {
                Path target = to.resolve(from.relativize(file));
                if (Files.isDirectory(file)) {
                    Files.createDirectories(target);
                } else {
                    Files.copy(file, target);
                }
            }
        }
    }

    private static String embedding(HttpResponse<String> answer) throws IOException {
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return new ObjectMapper().readTree(answer.body()).at("/data/0/embedding").toString();
    }

    private void secret(String name, Map<String, byte[]> entries) {
        var secret = new SecretBuilder().withNewMetadata().withName(name).withNamespace("default").endMetadata();
        entries.forEach((key, value) -> secret.addToData(key, Base64.getEncoder().encodeToString(value)));
        cluster().client().resource(secret.build()).createOr(existing -> existing.update());
    }

    private static byte[] random() {
        var bytes = new byte[32];
        new SecureRandom().nextBytes(bytes);
        return bytes;
    }

    private static byte[] pem(String kind, Key key) {
        return pem(kind, key.getEncoded());
    }

    private static byte[] pem(String kind, byte[] der) {
        return "-----BEGIN %s-----\n%s\n-----END %s-----\n"
                .formatted(kind, Base64.getMimeEncoder(64, new byte[]{'\n'}).encodeToString(der), kind)
                .getBytes(StandardCharsets.UTF_8);
    }

    /** A certificate with the name of all sidecars, that is its own authority. */
    private static void makeCertificate(Path folder) {
        try {
            Path store = folder.resolve("store");
            Process keytool = new ProcessBuilder(
                    List.of(Path.of(System.getProperty("java.home"), "bin", "keytool").toString(), "-genkeypair",
                            "-alias", "k", "-keyalg", "EC", "-dname", "CN=sidecar", "-ext",
                            "san=dns:" + SidecarTls.SERVER_NAME, "-storetype", "PKCS12", "-keystore", store.toString(),
                            "-storepass", PASSWORD))
                    .inheritIO()
                    .start();
            assertThat(keytool.waitFor(60, TimeUnit.SECONDS)).isTrue();
            KeyStore keys = KeyStore.getInstance(store.toFile(), PASSWORD.toCharArray());
            Files.write(folder.resolve("tls.crt"), pem("CERTIFICATE", keys.getCertificate("k").getEncoded()));
            Files.write(folder.resolve("tls.key"), pem("PRIVATE KEY", keys.getKey("k", PASSWORD.toCharArray())));
        } catch (Exception e) {
            throw new IllegalStateException("no certificate can be made", e);
        }
    }
}
