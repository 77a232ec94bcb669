package dev.dormouse.sidecar.api;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What is on a snapshot volume, as {@code GET /v1/snapshots} answers it: usable snapshots, and those that are not. */
@JsonIgnoreProperties(ignoreUnknown = true)
public record VolumeListing(List<Entry> snapshots, List<Refused> refused) {
    public static final VolumeListing EMPTY = new VolumeListing(List.of(), List.of());

    public VolumeListing {
        snapshots = snapshots == null ? List.of() : List.copyOf(snapshots);
        refused = refused == null ? List.of() : List.copyOf(refused);
    }

    /**
     * @param createdAt RFC 3339, by the clock of the node that saved it
     * @param rawBytes before encoding
     * @param storedBytes of all its chunks, shared ones included
     */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record Entry(String id, String key, String createdAt, long rawBytes, long storedBytes,
            @Nullable String weightsDigest, Map<String, String> compatibility, int buffers, int files, boolean pinned) {
        public Entry {
            compatibility = compatibility == null ? Map.of() : Map.copyOf(compatibility);
        }
    }

    /** @param reason one CamelCase word */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record Refused(String id, String reason, @Nullable String message) {}

    /** Whether there is anything by this name, usable or not. */
    public boolean has(String id) {
        return snapshots.stream().anyMatch(entry -> entry.id().equals(id))
                || refused.stream().anyMatch(entry -> entry.id().equals(id));
    }
}
