package dev.dormouse.sidecar.http;

import java.util.Map;
import java.util.TreeMap;

/**
 * S25, S29, S63: what this process did with snapshots.
 *
 * @param bytesSaved before encoding
 * @param bytesStored after encoding
 * @param averageSaveMillis 0 before the first one
 * @param failures how often each code ended a save or restore
 */
public record SnapshotStats(long created, long restored, long bytesSaved, long bytesStored, long bytesRestored,
        double averageSaveMillis, double averageRestoreMillis, Map<String, Long> failures) {

    /** Counts; thread-safe. */
    public static final class Counter {
        private long created;
        private long restored;
        private long bytesSaved;
        private long bytesStored;
        private long bytesRestored;
        private long saveMicros;
        private long restoreMicros;
        private final Map<String, Long> failures = new TreeMap<>();

        public synchronized void saved(long rawBytes, long storedBytes, long micros) {
            created++;
            bytesSaved += rawBytes;
            bytesStored += storedBytes;
            saveMicros += micros;
        }

        public synchronized void restored(long rawBytes, long micros) {
            restored++;
            bytesRestored += rawBytes;
            restoreMicros += micros;
        }

        public synchronized void failed(String code) {
            failures.merge(code, 1L, Long::sum);
        }

        public synchronized SnapshotStats now() {
            return new SnapshotStats(created, restored, bytesSaved, bytesStored, bytesRestored,
                    average(saveMicros, created), average(restoreMicros, restored), Map.copyOf(failures));
        }

        private static double average(long micros, long count) {
            return count == 0 ? 0 : micros / 1_000.0 / count;
        }
    }
}
