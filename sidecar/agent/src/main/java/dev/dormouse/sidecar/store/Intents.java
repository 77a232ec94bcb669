package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.SnapshotId;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Who is saving what. A save is announced durably before it writes anything and struck off when it is published, so that
 * whatever a crash leaves behind is known by name. An intent is an empty file; its name says everything.
 */
final class Intents {
    private static final Logger LOG = LoggerFactory.getLogger(Intents.class);
    private static final Pattern NAME = Pattern.compile("([^~]+)~([^~]+)~([^~]+)");

    private final SnapshotFiles files;
    private final Writer writer;

    Intents(SnapshotFiles files, Writer writer) {
        this.files = files;
        this.writer = writer;
    }

    /** Does nothing when this process has announced it before. */
    void announce(String snapshotId) throws IOException {
        String intent = path(name(snapshotId));
        if (!files.exists(intent)) {
            files.create(intent).close();
        }
        files.sync(VolumePaths.INTENTS);
    }

    void strike(String snapshotId) throws IOException {
        files.delete(path(name(snapshotId)));
    }

    private String name(String snapshotId) {
        return snapshotId + "~" + writer.pod() + "~" + writer.instance();
    }

    private static String path(String name) {
        return VolumePaths.INTENTS + "/" + name;
    }

    /**
     * Removes what saves left that can no longer go on: those of this pod's earlier processes, and those of other pods
     * announced before {@code abandonedAfter}. A save that is still under way after that long finds its packs missing when
     * it publishes, and fails.
     */
    void clean(Instant now, Duration abandonedAfter) throws IOException {
        for (String name : files.list(VolumePaths.INTENTS)) {
            Matcher intent = NAME.matcher(name);
            if (!intent.matches() || !SnapshotId.valid(intent.group(1)) || !abandoned(intent, now, abandonedAfter)) {
                continue;
            }
            String id = intent.group(1);
            if (!files.exists(VolumePaths.manifest(id))) {
                LOG.atInfo().addKeyValue("snapshot", id).log("Removing what an unfinished save left");
                remove(files, id);
            }
            files.delete(path(name));
        }
    }

    private boolean abandoned(Matcher intent, Instant now, Duration abandonedAfter) {
        return intent.group(2).equals(writer.pod())
                ? !intent.group(3).equals(writer.instance())
                : SnapshotId.time(intent.group(1)).plus(abandonedAfter).isBefore(now);
    }

    /**
     * Removes a snapshot's folder and the packs that were written for it. The manifest goes first and durably: a snapshot
     * must stop to exist before it misses anything.
     */
    static void remove(SnapshotFiles files, String id) throws IOException {
        String folder = VolumePaths.snapshot(id);
        if (files.exists(VolumePaths.manifest(id))) {
            files.delete(VolumePaths.manifest(id));
            files.sync(folder);
        }
        for (String name : files.list(folder)) {
            files.delete(folder + "/" + name);
        }
        files.delete(folder);
        files.sync(VolumePaths.SNAPSHOTS);
        for (String pack : files.list(VolumePaths.PACKS)) {
            if (pack.startsWith(id + "-")) {
                files.delete(VolumePaths.PACKS + "/" + pack);
            }
        }
        files.sync(VolumePaths.PACKS);
    }
}
