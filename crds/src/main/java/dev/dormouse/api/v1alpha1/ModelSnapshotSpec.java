package dev.dormouse.api.v1alpha1;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.ValidationRule;
import org.jspecify.annotations.Nullable;

/** Which snapshot it is. Only {@code pinned} may change. */
@JsonInclude(JsonInclude.Include.NON_NULL)
@ValidationRule(value = "self.claim == oldSelf.claim && self.snapshotId == oldSelf.snapshotId && self.key == oldSelf.key && (has(self.model) ? self.model : '') == (has(oldSelf.model) ? oldSelf.model : '')", message = "a snapshot keeps its claim, snapshotId, key and model; only pinned may change")
public record ModelSnapshotSpec(
        @Required @Pattern("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$") @JsonPropertyDescription("Claim of this namespace whose volume holds the bytes.") String claim,
        @Required @Pattern("^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$") @JsonPropertyDescription("Name of the snapshot on the volume.") String snapshotId,
        @Required @Pattern("^[0-9a-f]{64}$") @JsonPropertyDescription("Compatibility key under which it was taken.") String key,
        @Nullable @JsonPropertyDescription("InferenceModel it was taken of; absent when that cannot be told.") String model,
        @Default("false") @JsonPropertyDescription("Keep it whatever the model's retention says.") Boolean pinned) {

    public ModelSnapshotSpec {
        pinned = pinned != null && pinned;
    }
}
