package dev.dormouse.sidecar.trust;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.util.Map;
import javax.crypto.SecretKey;
import org.junit.jupiter.api.Test;

class TrustTest {
    private static final byte[] MANIFEST = "{\"id\":\"s1\"}".getBytes(StandardCharsets.UTF_8);
    private static final byte[] ID = new byte[32];

    private final SecureRandom random = new SecureRandom();
    private final VolumeKey volumeKey = VolumeKey.random("pvc-1", random);

    @Test
    void aSignedManifestIsTrustedByTheOldAndTheNewKey() throws Exception {
        KeyPair old = pair();
        KeyPair fresh = pair();
        Map<String, PublicKey> ring = Map.of("2025", old.getPublic(), "2026", fresh.getPublic());
        ManifestSignature.verify(signed("2025", old), "pvc-1", MANIFEST, ring);
        ManifestSignature.verify(signed("2026", fresh), "pvc-1", MANIFEST, ring);
    }

    // S50
    @Test
    void everyFlippedByteOfManifestOrSignatureIsRefused() throws Exception {
        KeyPair pair = pair();
        String text = signed("k", pair);
        Map<String, PublicKey> ring = Map.of("k", pair.getPublic());
        for (int at = 0; at < MANIFEST.length; at++) {
            byte[] changed = flipped(MANIFEST, at);
            assertThatThrownBy(() -> ManifestSignature.verify(text, "pvc-1", changed, ring))
                    .isInstanceOf(TrustException.class)
                    .hasMessageContaining("save again");
        }
        for (int at = 0; at < text.length() - 1; at++) {
            String changed = new String(flipped(text.getBytes(StandardCharsets.ISO_8859_1), at),
                    StandardCharsets.ISO_8859_1);
            assertThatThrownBy(() -> ManifestSignature.verify(changed, "pvc-1", MANIFEST, ring)).as("byte %d", at)
                    .isInstanceOf(TrustException.class);
        }
    }

    @Test
    void aMissingSignatureAnUnknownKeyAndAnotherTenantsSnapshotAreRefused() throws Exception {
        KeyPair pair = pair();
        String text = signed("k", pair);
        assertThatThrownBy(() -> ManifestSignature.verify(null, "pvc-1", MANIFEST, Map.of("k", pair.getPublic())))
                .hasMessageContaining("not signed")
                .hasMessageContaining("save it again");
        assertThatThrownBy(() -> ManifestSignature.verify(text, "pvc-1", MANIFEST, Map.of("x", pair.getPublic())))
                .hasMessageContaining("'k'")
                .hasMessageContaining("[x]");
        assertThatThrownBy(() -> ManifestSignature.verify(text, "pvc-2", MANIFEST, Map.of("k", pair.getPublic())))
                .hasMessageContaining("another volume");
    }

    @Test
    void aChunkComesBackOnlyAsItself() throws Exception {
        byte[] stored = encrypted("weights");
        assertThat(decrypted(volumeKey, stored, ID, 7)).isEqualTo("weights".getBytes(StandardCharsets.UTF_8));
        assertRefused(volumeKey, stored, new byte[]{1}, 7);
        assertRefused(volumeKey, stored, ID, 8);
        assertRefused(VolumeKey.random("pvc-1", random), stored, ID, 7);
        assertRefused(new VolumeKey("pvc-2", volumeKey.key()), stored, ID, 7);
        for (int at = 0; at < stored.length; at++) {
            assertRefused(volumeKey, flipped(stored, at), ID, 7);
        }
        assertThat(encrypted("weights")).as("a fresh nonce").isNotEqualTo(stored);
        assertThatThrownBy(() -> decrypted(volumeKey, new byte[ChunkCipher.OVERHEAD - 1], ID, 0))
                .hasMessageContaining("damaged");
    }

    @Test
    void rotationRewrapsTheVolumesKeyAndNoChunk() throws Exception {
        SecretKey old = VolumeKey.wrappingKey("old", new byte[32]);
        byte[] other = new byte[32];
        other[0] = 1;
        SecretKey fresh = VolumeKey.wrappingKey("new", other);
        String before = volumeKey.wrap("old", old, random);
        VolumeKey opened = VolumeKey.unwrap(before, "pvc-1", Map.of("old", old, "new", fresh));
        String after = opened.wrap("new", fresh, random);
        byte[] stored = encrypted("weights");
        assertThat(decrypted(VolumeKey.unwrap(after, "pvc-1", Map.of("new", fresh)), stored, ID, 7)).hasSize(7);

        assertThatThrownBy(() -> VolumeKey.unwrap(before, "pvc-1", Map.of("new", fresh)))
                .hasMessageContaining("'old'")
                .hasMessageContaining("add that key");
        assertThatThrownBy(() -> VolumeKey.unwrap(before, "pvc-1", Map.of("old", fresh)))
                .hasMessageContaining("does not open");
        assertThatThrownBy(() -> VolumeKey.unwrap(before, "pvc-2", Map.of("old", old)))
                .hasMessageContaining("someone else");
        assertThatThrownBy(() -> VolumeKey.wrappingKey("k", new byte[16])).hasMessageContaining("16 bytes");
        for (int at = 0; at < before.length() - 1; at++) {
            String changed = new String(flipped(before.getBytes(StandardCharsets.ISO_8859_1), at),
                    StandardCharsets.ISO_8859_1);
            assertThatThrownBy(() -> VolumeKey.unwrap(changed, "pvc-1", Map.of("old", old))).as("byte %d", at)
                    .isInstanceOf(TrustException.class);
        }
        assertThat(volumeKey.toString()).isEqualTo("VolumeKey[pvc-1]");
    }

    private String signed(String id, KeyPair pair) throws TrustException {
        return ManifestSignature.sign("pvc-1", MANIFEST, id, pair.getPrivate()).text();
    }

    private byte[] encrypted(String text) {
        byte[] plain = text.getBytes(StandardCharsets.UTF_8);
        var stored = new byte[plain.length + ChunkCipher.OVERHEAD];
        new ChunkCipher(volumeKey, random).encrypt(MemorySegment.ofArray(plain), ID, plain.length,
                MemorySegment.ofArray(stored));
        return stored;
    }

    private byte[] decrypted(VolumeKey key, byte[] stored, byte[] id, int rawLength) throws TrustException {
        var plain = new byte[Math.max(0, stored.length - ChunkCipher.OVERHEAD)];
        new ChunkCipher(key, random).decrypt(MemorySegment.ofArray(stored), id, rawLength,
                MemorySegment.ofArray(plain));
        return plain;
    }

    private void assertRefused(VolumeKey key, byte[] stored, byte[] id, int rawLength) {
        var plain = new byte[stored.length - ChunkCipher.OVERHEAD];
        assertThatThrownBy(() -> new ChunkCipher(key, random).decrypt(MemorySegment.ofArray(stored), id, rawLength,
                MemorySegment.ofArray(plain))).isInstanceOf(TrustException.class).hasMessageContaining("Secret");
        assertThat(plain).containsOnly(0);
    }

    private static byte[] flipped(byte[] bytes, int at) {
        byte[] changed = bytes.clone();
        changed[at] ^= 1;
        return changed;
    }

    private static KeyPair pair() throws Exception {
        return KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
    }
}
