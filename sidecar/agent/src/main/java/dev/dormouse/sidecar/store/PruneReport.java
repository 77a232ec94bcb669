package dev.dormouse.sidecar.store;

import java.util.List;

/** What retention deleted, and what it tried to delete and could not. */
public record PruneReport(List<Expiry> deleted, List<Refusal> failed) {
    public PruneReport {
        deleted = List.copyOf(deleted);
        failed = List.copyOf(failed);
    }

    /** @param rule the part of the policy because of which the snapshot goes, e.g. {@code maxAge} */
    public record Expiry(String id, String rule) {}
}
