package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.format.Manifest;
import dev.dormouse.sidecar.pipeline.RestoreReading;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.time.Clock;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * How fast the volume's restores were, on whichever node: for the volume's next save. Losing it loses nothing, so nothing
 * is synced, and a volume that cannot be written to has none.
 */
final class RestoreLog {
    private static final Logger LOG = LoggerFactory.getLogger(RestoreLog.class);
    /** A smaller restore measures the start of a JVM. */
    static final long LEAST_BYTES = 64L << 20;
    private static final int KEPT = 32;

    private final SnapshotFiles files;
    private final Clock clock;

    RestoreLog(SnapshotFiles files, Clock clock) {
        this.files = files;
        this.clock = clock;
    }

    void add(RestoreReading reading, Manifest manifest) {
        if (reading.storedBytes() < LEAST_BYTES) {
            return;
        }
        try {
            files.createFolder(VolumePaths.RESTORES);
            files.create(path(RestoreRecord.of(clock.instant(), reading, manifest))).close();
            for (RestoreRecord old : list().stream().skip(KEPT).toList()) {
                files.delete(path(old));
            }
        } catch (FileAlreadyExistsException twin) {
            // Two nodes, one millisecond, the same figures: one of them is enough.
        } catch (IOException | RuntimeException e) {
            LOG.debug("A restore is not recorded: {}", e.toString());
        }
    }

    /** Newest first. */
    List<RestoreRecord> list() throws IOException {
        return files.list(VolumePaths.RESTORES)
                .stream()
                .map(RestoreRecord::parse)
                .flatMap(Optional::stream)
                .sorted(Comparator.comparing(RestoreRecord::at).reversed())
                .toList();
    }

    private static String path(RestoreRecord record) {
        return VolumePaths.RESTORES + "/" + record.fileName();
    }
}
