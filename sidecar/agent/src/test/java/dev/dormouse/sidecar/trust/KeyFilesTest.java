package dev.dormouse.sidecar.trust;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.sidecar.format.Fault;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Keys as people and Kubernetes put them into files. */
class KeyFilesTest {
    @TempDir
    Path folder;
    private KeyFolder keys;

    @BeforeEach
    void keys() throws Exception {
        keys = new KeyFolder(folder).signer("2025").signer("2026").wrapping("k1", 1);
    }

    @Test
    void allTrustedKeysProveAndTheNamedOneSigns() throws Exception {
        byte[] manifest = "{}".getBytes(StandardCharsets.UTF_8);
        String old = keys.trust("v", "2025", false).sign(manifest);
        Trust now = keys.trust("v", "2026", false);

        now.verify(manifest, old);
        now.verify(manifest, now.sign(manifest));
        assertThat(old).startsWith("dormouse-signature-v1 2025 ");
        assertThat(now.encrypts()).isFalse();
    }

    @Test
    void aWrappingKeyIsItsBytesOrTheirBase64() throws Exception {
        Trust bytes = keys.trust("v", null, true);
        Files.writeString(keys.file("wrapping/k1"), "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n");
        Trust base64 = keys.trust("v", null, true);

        VolumeKey key = bytes.newKey();
        assertThat(base64.unwrap(bytes.wrap(key))).isEqualTo(key);
        assertThat(key.id()).matches("[0-9a-f]{16}").isNotEqualTo(bytes.newKey().id());
    }

    @Test
    void theLastWrappingKeyByNameWrapsAndTheOthersUnwrap() throws Exception {
        Trust before = keys.trust("v", null, true);
        String text = before.wrap(before.newKey());
        assertThat(before.outdated(text)).isFalse();

        Trust after = keys.wrapping("k2", 2).trust("v", null, true);

        assertThat(after.outdated(text)).isTrue();
        assertThat(after.wrap(after.unwrap(text))).startsWith("dormouse-volume-key-v1 k2 ");
        assertThat(keys.forget("k1").trust("v", null, true).outdated(text)).as("nothing can be done").isFalse();
    }

    @Test
    void aFileThatHoldsNoKeyIsNamed() throws Exception {
        Files.writeString(keys.file("wrapping/k1"), "short");
        assertRefused(null, true, "'k1' has 5 bytes");
        Files.writeString(keys.file("trusted/2025.pem"), "no key");
        assertRefused("2026", false, "2025.pem is no PEM file with a PUBLIC KEY");
        Files.writeString(keys.file("trusted/2025.pem"),
                "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
        assertRefused("2026", false, "openssl pkey");
        Files.delete(keys.file("trusted/2025.pem"));
        Files.copy(keys.file("trusted/2026.pem"), keys.file("signing/public.pem"));
        assertRefused("public", false, "public.pem is no PEM file with a PRIVATE KEY");
        assertRefused("missing", false, "missing.pem cannot be read: is the Secret mounted?");
        Files.delete(keys.file("trusted/2026.pem"));
        assertRefused("2026", false, "trusted holds no keys");
        Files.copy(keys.file("signing/2026.pem"), keys.file("trusted/a b.pem"));
        assertRefused("2026", false, "has a name that is no key id");
    }

    private void assertRefused(@org.jspecify.annotations.Nullable String signer, boolean encrypted, String message) {
        assertThatThrownBy(() -> keys.trust("v", signer, encrypted)).isInstanceOf(TrustException.class)
                .hasMessageContaining(message)
                .satisfies(e -> assertThat(((TrustException) e).fault()).isEqualTo(Fault.WrongKey));
    }
}
