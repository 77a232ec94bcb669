package dev.dormouse.api.v1alpha1;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/**
 * How a model's snapshots are hidden and proven. Keys are only ever named: they lie in Secrets of the model's namespace,
 * which are mounted into the sidecar and nowhere else.
 *
 * @param volumeId differs between volumes, so that a snapshot copied from another one is refused
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
@ValidationRule(value = "has(self.encryption) || has(self.signatures)", message = "snapshot.trust needs encryption, signatures or both")
public record SnapshotTrust(
        @Nullable @Pattern("^[A-Za-z0-9][A-Za-z0-9./_-]{0,252}$") @JsonPropertyDescription("What encryption and signatures are bound to, besides their keys: snapshots of a volume with another id are refused. Default: <namespace>/<claim>. Set it to the old one when a volume gets another name.") String volumeId,
        @Nullable @JsonPropertyDescription("Snapshots are written encrypted (AES-256-GCM), and plain ones are refused.") Encryption encryption,
        @Nullable @JsonPropertyDescription("Snapshots are signed (Ed25519), and checked against whom the model trusts.") Signatures signatures) {
    private static final String NAME = "^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$";
    /** As {@code KeyFiles} of the sidecar reads it: a key id, and perhaps an ending. */
    private static final String ENTRY = "^[A-Za-z0-9][A-Za-z0-9_-]{0,62}(\\.[a-z]{1,4})?$";

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Encryption(
            @Required @Pattern(NAME) @JsonPropertyDescription("Secret whose entries are keys of 32 bytes, raw or base64. The entry whose name sorts last wraps the volume's key; the others still open what they wrapped, so a new entry is a rotation.") String secretName) {}

    @JsonInclude(JsonInclude.Include.NON_NULL)
    @ValidationRule(value = "!self.required || has(self.trustedKeys)", message = "snapshot.trust.signatures.required needs trustedKeys: without a trusted key every snapshot would be refused")
    @ValidationRule(value = "self.required || has(self.signingKey)", message = "snapshot.trust.signatures does nothing: it needs required, signingKey or both")
    public record Signatures(
            @Default("true") @JsonPropertyDescription("Refuse snapshots that no trusted key has signed, and prove the content of the others by digest.") Boolean required,
            @Nullable @JsonPropertyDescription("Public keys (PEM, one per entry) whose snapshots are used.") TrustedKeys trustedKeys,
            @Nullable @JsonPropertyDescription("Private key (PKCS#8 PEM) that this model's own snapshots are signed with. Without it, and with required, it only uses what somebody else has signed.") SigningKey signingKey) {
        public Signatures {
            required = required == null || required;
        }
    }

    @JsonInclude(JsonInclude.Include.NON_NULL)
    @ValidationRule(value = "has(self.configMapName) != has(self.secretName)", message = "snapshot.trust.signatures.trustedKeys needs exactly one of configMapName and secretName")
    public record TrustedKeys(
            @Nullable @Pattern(NAME) @JsonPropertyDescription("ConfigMap of the model's namespace.") String configMapName,
            @Nullable @Pattern(NAME) @JsonPropertyDescription("Secret of the model's namespace.") String secretName) {}

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record SigningKey(
            @Required @Pattern(NAME) @JsonPropertyDescription("Secret of the model's namespace.") String secretName,
            @Required @Pattern(ENTRY) @JsonPropertyDescription("Its entry. The name without its ending is the key's id, under which the trusted keys must have the public one.") String key) {}
}
