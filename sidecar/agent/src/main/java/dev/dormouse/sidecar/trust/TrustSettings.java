package dev.dormouse.sidecar.trust;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * Whom a sidecar trusts, and with which keys it signs and encrypts. The files are those of mounted Secrets, where every
 * entry of a Secret is a file: a key's id is its file's name without the ending.
 *
 * @param volume the name that signatures and encrypted chunks are bound to; differs between tenants
 * @param signaturesRequired whether a snapshot without a signature of a trusted key is refused
 * @param trustedKeys folder of Ed25519 public keys (PEM); several while keys rotate
 * @param signingKey Ed25519 private key (PKCS#8, PEM) that new snapshots are signed with
 * @param wrappingKeys folder of AES keys (32 bytes, or their base64); the one whose name sorts last wraps, all unwrap
 */
public record TrustSettings(String volume, boolean signaturesRequired, @Nullable Path trustedKeys,
        @Nullable Path signingKey, @Nullable Path wrappingKeys) {
    public static final TrustSettings OFF = new TrustSettings("", false, null, null, null);

    public boolean off() {
        return !signaturesRequired && signingKey == null && wrappingKeys == null;
    }
}
