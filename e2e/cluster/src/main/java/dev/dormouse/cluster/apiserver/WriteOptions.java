package dev.dormouse.cluster.apiserver;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.function.Consumer;

/**
 * How a client wants a write to be done.
 *
 * @param subresource {@code status}, or empty for the object itself
 * @param manager owner of the fields it sets
 * @param force take fields over that other managers own (server-side apply)
 * @param warnings told what was let through with a warning
 * @param admission has the last word on what would be stored
 */
record WriteOptions(String subresource, String manager, boolean force, boolean dryRun, FieldValidation validation,
        Consumer<String> warnings, Admission admission) {

    /** Refuses what this client may not store, by an {@link ApiException}. */
    interface Admission {
        void check(ResourceType type, ObjectNode next);
    }

    /** What happens to fields that the schema does not know; dropped they are in any case. */
    enum FieldValidation {
        Strict, Warn, Ignore
    }

    /** Writes of the server's own controllers. */
    static WriteOptions internal(String manager) {
        return new WriteOptions("", manager, false, false, FieldValidation.Ignore, _ -> {
        }, (_, _) -> {
        });
    }

    WriteOptions forced() {
        return new WriteOptions(subresource, manager, true, dryRun, validation, warnings, admission);
    }

    WriteOptions admittedBy(Admission check) {
        return new WriteOptions(subresource, manager, force, dryRun, validation, warnings, check);
    }
}
