package dev.dormouse.sidecar.trust;

import dev.dormouse.sidecar.format.Fault;
import dev.dormouse.sidecar.format.SnapshotFormat;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;

/**
 * AES-256-GCM over one chunk at a time: 12 bytes nonce, ciphertext, 16 bytes tag. The tag also covers volume, chunk id and raw
 * length, so that a chunk can neither be moved nor be passed off as another. Belongs to one thread.
 *
 * <p><b>Nonces</b> are random, never derived: one chunk (equal id) may be compressed differently by two versions, and two
 * plaintexts under one nonce would give away both and the tag's key. All writers of a volume share its key without talking
 * to each other, so counters could meet too. 96 random bits keep the chance of a collision below 2⁻³² for 2³² chunks
 * (NIST SP 800-38D §8.3), 16 PiB of chunks of 4 MiB; then the volume needs a new key.
 */
public final class ChunkCipher {
    public static final int NONCE_BYTES = 12;
    public static final int TAG_BYTES = 16;
    /** What a stored chunk is longer than its plaintext. */
    public static final int OVERHEAD = SnapshotFormat.ENCRYPTION_BYTES;

    private final VolumeKey key;
    private final SecureRandom random;
    private final Cipher cipher;

    public ChunkCipher(VolumeKey key, SecureRandom random) {
        this.key = key;
        this.random = random;
        try {
            this.cipher = Cipher.getInstance("AES/GCM/NoPadding");
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every JDK has AES-GCM", e);
        }
    }

    /** @param into exactly {@link #OVERHEAD} bytes longer than {@code plain}, not overlapping it */
    public void encrypt(MemorySegment plain, byte[] chunkId, int rawLength, MemorySegment into) {
        if (into.byteSize() != plain.byteSize() + OVERHEAD) {
            throw new IllegalArgumentException("%d bytes do not hold a chunk of %d".formatted(into.byteSize(),
                    plain.byteSize()));
        }
        var nonce = new byte[NONCE_BYTES];
        random.nextBytes(nonce);
        ByteBuffer to = into.asByteBuffer().put(nonce);
        try {
            cipher.init(Cipher.ENCRYPT_MODE, key.key(), new GCMParameterSpec(TAG_BYTES * 8, nonce));
            cipher.updateAAD(context(chunkId, rawLength));
            cipher.doFinal(plain.asByteBuffer(), to);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("a 256-bit key and a fresh nonce always encrypt", e);
        }
    }

    /**
     * @param into exactly {@link #OVERHEAD} bytes shorter than {@code stored}; all zero after a refusal, so that nothing
     *        unproven is ever used
     */
    public void decrypt(MemorySegment stored, byte[] chunkId, int rawLength, MemorySegment into) throws TrustException {
        if (stored.byteSize() < OVERHEAD || into.byteSize() != stored.byteSize() - OVERHEAD) {
            throw new TrustException(Fault.AuthenticationFailed,
                    "an encrypted chunk of %d bytes does not hold %d: the volume is damaged; save again"
                            .formatted(stored.byteSize(), into.byteSize()));
        }
        ByteBuffer from = stored.asByteBuffer();
        var nonce = new byte[NONCE_BYTES];
        from.get(nonce);
        try {
            cipher.init(Cipher.DECRYPT_MODE, key.key(), new GCMParameterSpec(TAG_BYTES * 8, nonce));
            cipher.updateAAD(context(chunkId, rawLength));
            cipher.doFinal(from, into.asByteBuffer());
        } catch (GeneralSecurityException e) {
            into.fill((byte) 0);
            throw new TrustException(Fault.AuthenticationFailed, "a chunk on volume '" + key.volume()
                    + "' was not encrypted with this volume's key, was "
                    + "changed, or belongs elsewhere: check which Secret is mounted, or delete the snapshot and save again",
                    e);
        }
    }

    private byte[] context(byte[] chunkId, int rawLength) {
        byte[] volume = key.volume().getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(12 + volume.length + chunkId.length)
                .putInt(volume.length)
                .put(volume)
                .putInt(chunkId.length)
                .put(chunkId)
                .putInt(rawLength)
                .array();
    }
}
