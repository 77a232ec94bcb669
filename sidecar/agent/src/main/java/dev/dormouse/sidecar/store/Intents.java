package dev.dormouse.sidecar.store;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Who is doing what to the volume. A save or delete is announced durably before it changes anything and struck off at its
 * end, so that whatever a crash leaves behind is known by name; a restore is announced so that nobody unlinks what it
 * reads. An intent is an empty file; its name says everything.
 */
final class Intents {
    /** Nothing takes this long; clocks of two nodes do not differ by so much. */
    private static final Duration ABANDONED_AFTER = Duration.ofHours(24);

    private final SnapshotFiles files;
    private final Writer writer;
    private final Clock clock;

    Intents(SnapshotFiles files, Writer writer, Clock clock) {
        this.files = files;
        this.writer = writer;
        this.clock = clock;
    }

    String instance() {
        return writer.instance();
    }

    /** Durable when this returns, except for a restore, which does not outlive the power either. */
    Intent announce(Intent.Kind kind, String snapshotId) throws IOException {
        Intent intent = create(kind, snapshotId);
        if (kind != Intent.Kind.Restore) {
            files.sync(VolumePaths.INTENTS);
        }
        return intent;
    }

    private Intent create(Intent.Kind kind, String snapshotId) throws IOException {
        for (Instant at = clock.instant().truncatedTo(ChronoUnit.MILLIS);; at = at.plusMillis(1)) {
            var intent = new Intent(snapshotId, writer, kind, at);
            try {
                files.create(path(intent)).close();
                return intent;
            } catch (FileAlreadyExistsException another) {
                // This process does the same thing twice in one millisecond.
            }
        }
    }

    void strike(Intent intent) throws IOException {
        files.delete(path(intent));
    }

    /** Whether nobody struck it off: who is taken for dead must not publish. */
    boolean stands(Intent intent) throws IOException {
        return files.exists(path(intent));
    }

    void strikeAll(Predicate<Intent> which) throws IOException {
        for (Intent intent : present()) {
            if (which.test(intent)) {
                strike(intent);
            }
        }
    }

    /** All that are announced, abandoned ones included. */
    List<Intent> present() throws IOException {
        var present = new ArrayList<Intent>();
        for (String name : files.list(VolumePaths.INTENTS)) {
            Intent.parse(name).ifPresent(present::add);
        }
        return present;
    }

    /**
     * Whether whoever announced it can no longer go on: an earlier process of this pod, a pod known to be gone, or anybody
     * after a day. A save that is under way for that long finds its packs missing when it publishes, and fails.
     *
     * @param gonePods uids of pods that certainly run nowhere
     */
    boolean abandoned(Intent intent, Set<String> gonePods) {
        return intent.writer().pod().equals(writer.pod()) && !intent.writer().equals(writer)
                || gonePods.contains(intent.writer().pod())
                || intent.at().plus(ABANDONED_AFTER).isBefore(clock.instant());
    }

    private static String path(Intent intent) {
        return VolumePaths.INTENTS + "/" + intent.fileName();
    }
}
