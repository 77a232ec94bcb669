package dev.dormouse.sidecar.http;

import com.fasterxml.jackson.annotation.JsonInclude;
import org.jspecify.annotations.Nullable;

/**
 * A restore as clients see it.
 *
 * @param etaMillis by the rate so far; -1 while unknown
 * @param reason the code of what ended it, for {@code Failed}
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record RestoreView(String id, String snapshot, State state, long restoredBytes, long totalBytes, double percent,
        long etaMillis, @Nullable String reason, @Nullable String message) {
    public enum State {
        Restoring, Restored, Failed
    }
}
