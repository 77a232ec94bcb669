package dev.dormouse.api.v1alpha1;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.kubernetes.api.model.Condition;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What is known of a snapshot's bytes; times are RFC 3339. */
@JsonInclude(JsonInclude.Include.NON_NULL)
public class ModelSnapshotStatus {
    public @Nullable Long observedGeneration;
    @JsonPropertyDescription("When it was saved, by the clock of its node.")
    public @Nullable String createdAt;
    @JsonPropertyDescription("Bytes of buffers and files before encoding.")
    public @Nullable Long rawBytes;
    @JsonPropertyDescription("Bytes of all its chunks on the volume, those that other snapshots share included.")
    public @Nullable Long storedBytes;
    public @Nullable Integer buffers;
    public @Nullable Integer files;
    @JsonPropertyDescription("Digest of the weights, lower-case hex.")
    public @Nullable String digest;
    @JsonPropertyDescription("What an engine must be to use it.")
    public @Nullable Map<String, String> compatibility;
    @JsonPropertyDescription("When every chunk was last compared with its checksum: by a restore, or by a verification.")
    public @Nullable String lastVerifiedAt;
    public @Nullable String lastRestoredAt;
    @JsonPropertyDescription("The last verification that somebody asked for.")
    public @Nullable Verification verification;
    public List<Condition> conditions = List.of();

    /** What the annotation {@code dormouse.dev/verify-requested-at} has brought about. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Verification(
            @JsonPropertyDescription("Value of the annotation dormouse.dev/verify-requested-at that this answers.") String requested,
            @JsonPropertyDescription("When reading began.") String at,
            @JsonPropertyDescription("Intact, Damaged (it is in quarantine now), or Failed (it could not be read to the end: nothing is known).") String result,
            @Nullable @JsonPropertyDescription("Chunks that it has.") Integer chunks,
            @Nullable @JsonPropertyDescription("Bytes that were read and compared.") Long rawBytes,
            @Nullable @JsonPropertyDescription("What is wrong, the first few sentences.") List<String> problems) {}
}
