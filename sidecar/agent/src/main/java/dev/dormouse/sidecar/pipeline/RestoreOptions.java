package dev.dormouse.sidecar.pipeline;

/**
 * @param verify whether each chunk's CRC32C is compared (S33); manifest, table and pack frames always are
 * @param workers threads, each with a chunk of memory; as many as cores, or twice as many on a network volume
 */
public record RestoreOptions(boolean verify, int workers) {
    public RestoreOptions {
        if (workers < 1) {
            throw new IllegalArgumentException("workers: " + workers + " is below 1");
        }
    }

    public static RestoreOptions verified() {
        return of(true);
    }

    public static RestoreOptions of(boolean verify) {
        return new RestoreOptions(verify, Runtime.getRuntime().availableProcessors());
    }
}
