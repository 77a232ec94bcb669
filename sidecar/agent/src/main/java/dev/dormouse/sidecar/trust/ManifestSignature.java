package dev.dormouse.sidecar.trust;

import dev.dormouse.sidecar.format.Fault;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.util.Base64;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * An Ed25519 signature over the manifest's bytes as they are stored, and over the volume they belong to: a snapshot copied
 * from another tenant's volume is refused. As text, one line: {@code dormouse-signature-v1 <key id> <base64>}.
 *
 * @param keyId which trusted key proves it; no secret
 * @param base64 64 bytes
 */
public record ManifestSignature(String keyId, String base64) {
    private static final String FORMAT = "dormouse-signature-v1";
    private static final String ALGORITHM = "Ed25519";
    private static final int MAX_TEXT = 1024;

    public static ManifestSignature sign(String volume, byte[] manifest, String keyId, PrivateKey key)
            throws TrustException {
        try {
            Signature signature = Signature.getInstance(ALGORITHM);
            signature.initSign(key);
            signature.update(scope(volume));
            signature.update(manifest);
            return new ManifestSignature(keyId, Base64.getEncoder().encodeToString(signature.sign()));
        } catch (GeneralSecurityException e) {
            throw new TrustException(Fault.WrongKey,
                    "signing key '" + keyId + "' cannot sign: it must be an Ed25519 private key", e);
        }
    }

    /**
     * Must be called before anything in the manifest is believed.
     *
     * @param text what lies beside the manifest, or null when nothing does
     * @param trusted public keys by id: while keys rotate, the old and the new one
     */
    public static void verify(@Nullable String text, String volume, byte[] manifest, Map<String, PublicKey> trusted)
            throws TrustException {
        if (text == null) {
            throw new TrustException(Fault.SignatureMissing,
                    "the snapshot is not signed and signatures are required: save it again with a signing "
                            + "key, or stop requiring signatures");
        }
        ManifestSignature signature = parse(text);
        PublicKey key = trusted.get(signature.keyId);
        if (key == null) {
            throw new TrustException(Fault.UntrustedKey,
                    "the snapshot is signed with key '" + signature.keyId + "', trusted are "
                            + new TreeSet<>(trusted.keySet())
                            + ": add its public key to the trusted keys, or save the snapshot again");
        }
        if (!signature.covers(volume, manifest, key)) {
            throw new TrustException(Fault.SignatureInvalid, "the signature of key '" + signature.keyId
                    + "' does not cover this manifest on volume '"
                    + volume
                    + "': it was changed after it was signed, or copied from another volume; delete it and save again");
        }
    }

    private boolean covers(String volume, byte[] manifest, PublicKey key) {
        try {
            Signature signature = Signature.getInstance(ALGORITHM);
            signature.initVerify(key);
            signature.update(scope(volume));
            signature.update(manifest);
            byte[] bytes = Base64.getDecoder().decode(base64);
            // The last digit has bits that mean nothing: one signature shall have one text.
            return Base64.getEncoder().encodeToString(bytes).equals(base64) && signature.verify(bytes);
        } catch (GeneralSecurityException | IllegalArgumentException notASignature) {
            // Whatever is no valid signature proves nothing; the caller says so.
            return false;
        }
    }

    static ManifestSignature parse(String text) throws TrustException {
        String[] parts = text.length() > MAX_TEXT ? new String[0] : text.strip().split(" ", -1);
        if (parts.length != 3 || !parts[0].equals(FORMAT)) {
            throw new TrustException(Fault.SignatureInvalid,
                    "the signature is no line '" + FORMAT + " <key id> <base64>': it is damaged or of "
                            + "another version; delete the snapshot and save again");
        }
        return new ManifestSignature(parts[1], parts[2]);
    }

    public String text() {
        return FORMAT + " " + keyId + " " + base64 + "\n";
    }

    /** Its length comes first, so that no volume's name can run into the manifest. */
    private static byte[] scope(String volume) {
        return (FORMAT + " " + volume.length() + " " + volume + "\n").getBytes(StandardCharsets.UTF_8);
    }
}
