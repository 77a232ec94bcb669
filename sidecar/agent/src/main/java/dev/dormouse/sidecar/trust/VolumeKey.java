package dev.dormouse.sidecar.trust;

import dev.dormouse.sidecar.format.Blake3;
import dev.dormouse.sidecar.format.Fault;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeSet;
import javax.crypto.Cipher;
import javax.crypto.SecretKey;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/**
 * The random key of one volume. It lies on the volume only wrapped by a key from a Secret, as one line
 * {@code dormouse-volume-key-v1 <wrapping key id> <base64>}; rotating the Secret rewraps that line and no chunk.
 *
 * @param volume the volume's id; part of what every chunk is bound to
 */
public record VolumeKey(String volume, SecretKey key) {
    private static final String FORMAT = "dormouse-volume-key-v1";
    private static final int KEY_BYTES = 32;
    private static final byte[] ID_CONTEXT = "dormouse-volume-key-id".getBytes(StandardCharsets.UTF_8);

    public static VolumeKey random(String volume, SecureRandom random) {
        return new VolumeKey(volume, aes(bytes(KEY_BYTES, random)));
    }

    /**
     * A key of a Secret's file.
     *
     * @param id how messages call it
     */
    public static SecretKey wrappingKey(String id, byte[] bytes) throws TrustException {
        if (bytes.length != KEY_BYTES) {
            throw new TrustException(Fault.WrongKey,
                    "wrapping key '%s' has %d bytes, not 32: make one with 'openssl rand 32'".formatted(id,
                            bytes.length));
        }
        return aes(bytes);
    }

    /** Names the key in manifests and file names; a digest of 256 random bits tells nothing about them. */
    public String id() {
        byte[] digest = new Blake3().update(MemorySegment.ofArray(ID_CONTEXT))
                .update(MemorySegment.ofArray(key.getEncoded()))
                .digest();
        return HexFormat.of().formatHex(digest, 0, 8);
    }

    /** Which key wraps the one that the text holds; needs no cryptography. */
    public static String wrappingKeyId(String text) {
        String[] parts = text.strip().split(" ", -1);
        return parts.length == 3 ? parts[1] : "";
    }

    /** Wraps it anew, with a fresh nonce; the text replaces the one on the volume. */
    public String wrap(String wrappingKeyId, SecretKey wrappingKey, SecureRandom random) {
        byte[] nonce = bytes(ChunkCipher.NONCE_BYTES, random);
        try {
            Cipher cipher = cipher(Cipher.ENCRYPT_MODE, wrappingKey, nonce, volume, wrappingKeyId);
            byte[] sealed = cipher.doFinal(key.getEncoded());
            Base64.Encoder base64 = Base64.getEncoder();
            return FORMAT + " " + wrappingKeyId + " " + base64.encodeToString(nonce) + base64.encodeToString(sealed)
                    + "\n";
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("a 256-bit key and a fresh nonce always encrypt", e);
        }
    }

    /** @param wrappingKeys by id: while they rotate, the old and the new one */
    public static VolumeKey unwrap(String text, String volume, Map<String, SecretKey> wrappingKeys)
            throws TrustException {
        String[] parts = text.strip().split(" ", -1);
        if (parts.length != 3 || !parts[0].equals(FORMAT) || parts[2].length() != 16 + 64) {
            throw new TrustException(Fault.WrongKey, "volume '" + volume + "': its key is no line '" + FORMAT
                    + " <key id> <base64>'; restore the line from a backup, or empty the volume and save again");
        }
        SecretKey wrappingKey = wrappingKeys.get(parts[1]);
        if (wrappingKey == null) {
            throw new TrustException(Fault.KeyMissing,
                    "volume '" + volume + "': its key is wrapped by '" + parts[1] + "', the Secret has "
                            + new TreeSet<>(wrappingKeys.keySet()) + ": add that key to the Secret");
        }
        try {
            Base64.Decoder base64 = Base64.getDecoder();
            Cipher cipher = cipher(Cipher.DECRYPT_MODE, wrappingKey, base64.decode(parts[2].substring(0, 16)), volume,
                    parts[1]);
            return new VolumeKey(volume, aes(cipher.doFinal(base64.decode(parts[2].substring(16)))));
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            throw new TrustException(Fault.WrongKey,
                    "volume '" + volume + "': wrapping key '" + parts[1] + "' does not open its key: the "
                            + "Secret holds another key under that name, or the volume belongs to someone else",
                    e);
        }
    }

    private static Cipher cipher(int mode, SecretKey key, byte[] nonce, String volume, String keyId)
            throws GeneralSecurityException {
        Cipher cipher = Cipher.getInstance("AES/GCM/NoPadding");
        cipher.init(mode, key, new GCMParameterSpec(ChunkCipher.TAG_BYTES * 8, nonce));
        cipher.updateAAD((FORMAT + " " + keyId + " " + volume).getBytes(StandardCharsets.UTF_8));
        return cipher;
    }

    private static SecretKey aes(byte[] bytes) {
        return new SecretKeySpec(bytes, "AES");
    }

    private static byte[] bytes(int count, SecureRandom random) {
        var bytes = new byte[count];
        random.nextBytes(bytes);
        return bytes;
    }

    /** Never the key. */
    @Override
    public String toString() {
        return "VolumeKey[" + volume + "]";
    }
}
