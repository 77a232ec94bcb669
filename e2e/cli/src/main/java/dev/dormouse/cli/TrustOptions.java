package dev.dormouse.cli;

import dev.dormouse.sidecar.trust.Trust;
import dev.dormouse.sidecar.trust.TrustException;
import dev.dormouse.sidecar.trust.TrustSettings;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The keys of a volume whose snapshots are signed or encrypted: the files that its sidecars mount. */
final class TrustOptions {
    @Option(names = "--volume-id", paramLabel = "NAME", description = "What signatures and encrypted chunks are bound to: the models' namespace, unless their sidecars say otherwise.")
    private String volumeId = "";

    @Option(names = "--require-signatures", description = "Refuse snapshots without a signature of a trusted key.")
    private boolean required;

    @Option(names = "--trusted-keys", paramLabel = "FOLDER", description = "Public keys, Ed25519 in PEM.")
    private @Nullable Path trustedKeys;

    @Option(names = "--signing-key", paramLabel = "FILE", description = "Private key that new snapshots are signed with.")
    private @Nullable Path signingKey;

    @Option(names = "--wrapping-keys", paramLabel = "FOLDER", description = "Keys that wrap the key of an encrypted volume.")
    private @Nullable Path wrappingKeys;

    /** @throws IOException naming the file that holds no key */
    Trust load() throws IOException {
        try {
            return Trust.load(new TrustSettings(volumeId, required, trustedKeys, signingKey, wrappingKeys));
        } catch (TrustException e) {
            throw new IOException(e.getMessage(), e);
        }
    }
}
