package dev.dormouse.sidecar.store;

import dev.dormouse.sidecar.pipeline.Compression;
import java.util.List;

/**
 * Whether compressing makes the restores of a volume faster, from how fast they were. A core decodes about 1.9 GB/s;
 * storage that is slower than all cores together gains from having to deliver less, faster storage would wait for them.
 */
final class AutoCompression {
    /** Bytes per second that a core decodes, as measured for shuffled planes by the slowest of our machines. */
    static final double DECODED_PER_CORE = 1.9e9;
    /** Enough to outvote one restore that came from the page cache. */
    static final int LOOKED_AT = 5;

    private AutoCompression() {}

    /**
     * By the median of the newest restores; raw as long as there is none, because a raw restore measures the storage.
     *
     * @param newestFirst of this volume
     * @param cores of this machine, as restores will have them
     */
    static Compression decide(List<RestoreRecord> newestFirst, int cores) {
        double[] rates = newestFirst.stream().limit(LOOKED_AT).mapToDouble(AutoCompression::rate).sorted().toArray();
        // Of an even number the faster one: raw is the safer error.
        return rates.length > 0 && rates[rates.length / 2] < DECODED_PER_CORE * cores
                ? Compression.Zstd
                : Compression.None;
    }

    /** Of the storage. Where the cores were what a restore waited for, storage is at least as fast as they can use. */
    private static double rate(RestoreRecord restore) {
        return restore.storageBound() ? restore.storageRate() : Double.POSITIVE_INFINITY;
    }
}
