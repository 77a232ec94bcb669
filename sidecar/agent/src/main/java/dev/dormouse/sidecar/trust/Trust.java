package dev.dormouse.sidecar.trust;

import dev.dormouse.sidecar.format.Fault;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.util.Map;
import java.util.TreeMap;
import javax.crypto.SecretKey;
import org.jspecify.annotations.Nullable;

/**
 * What a store does to prove and to hide. {@link #OFF} does nothing, and loads nothing of the JDK's cryptography, which
 * would cost a restore its first tens of milliseconds. Thread-safe.
 */
public final class Trust {
    public static final Trust OFF = new Trust(TrustSettings.OFF, Map.of(), null, new TreeMap<>());

    private record Signer(String id, PrivateKey key) {}

    private final TrustSettings settings;
    private final Map<String, PublicKey> trusted;
    private final @Nullable Signer signer;
    private final TreeMap<String, SecretKey> wrappingKeys;

    private Trust(TrustSettings settings, Map<String, PublicKey> trusted, @Nullable Signer signer,
            TreeMap<String, SecretKey> wrappingKeys) {
        this.settings = settings;
        this.trusted = trusted;
        this.signer = signer;
        this.wrappingKeys = wrappingKeys;
    }

    /** @throws TrustException naming the file that holds no key */
    public static Trust load(TrustSettings settings) throws TrustException {
        if (settings.off()) {
            return OFF;
        }
        Signer signer = settings.signingKey() == null
                ? null
                : new Signer(KeyFiles.id(settings.signingKey()), KeyFiles.privateKey(settings.signingKey()));
        return new Trust(settings,
                settings.trustedKeys() == null ? Map.of() : KeyFiles.publicKeys(settings.trustedKeys()), signer,
                settings.wrappingKeys() == null ? new TreeMap<>() : KeyFiles.wrappingKeys(settings.wrappingKeys()));
    }

    /** Whether snapshots without a good signature are refused; then content is proven too, not only its checksums. */
    public boolean signaturesRequired() {
        return settings.signaturesRequired();
    }

    /** Whether new snapshots are encrypted, and others refused. */
    public boolean encrypts() {
        return !wrappingKeys.isEmpty();
    }

    /** @throws TrustException when what is saved here would be refused here */
    public void requireSigner() throws TrustException {
        if (settings.signaturesRequired() && signer == null) {
            throw new TrustException(Fault.SignatureMissing,
                    "signatures are required and there is no signing key, so nothing that is saved could be restored: "
                            + "mount a signing key, or save elsewhere");
        }
    }

    /** The text to store beside a manifest; absent when nothing is signed here. */
    public @Nullable String sign(byte[] manifest) throws TrustException {
        return signer == null
                ? null
                : ManifestSignature.sign(settings.volume(), manifest, signer.id(), signer.key()).text();
    }

    /**
     * Before anything in a manifest is believed. Does nothing unless signatures are required.
     *
     * @param signature what lies beside the manifest; absent when nothing does
     */
    public void verify(byte[] manifest, @Nullable String signature) throws TrustException {
        if (settings.signaturesRequired()) {
            ManifestSignature.verify(signature, settings.volume(), manifest, trusted);
        }
    }

    public VolumeKey newKey() {
        return VolumeKey.random(settings.volume(), new SecureRandom());
    }

    /** @throws TrustException when no wrapping key at hand opens it */
    public VolumeKey unwrap(String text) throws TrustException {
        return VolumeKey.unwrap(text, settings.volume(), wrappingKeys);
    }

    /** The text to store on the volume, wrapped by the newest key. */
    public String wrap(VolumeKey key) {
        var wrapping = wrappingKeys.lastEntry();
        return key.wrap(wrapping.getKey(), wrapping.getValue(), new SecureRandom());
    }

    /** Whether a key on the volume is wrapped by an older key that is at hand too; told from the text alone. */
    public boolean outdated(String text) {
        String by = VolumeKey.wrappingKeyId(text);
        return wrappingKeys.containsKey(by) && !by.equals(wrappingKeys.lastKey());
    }
}
