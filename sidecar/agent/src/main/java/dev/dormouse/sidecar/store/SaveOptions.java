package dev.dormouse.sidecar.store;

/**
 * @param zstdLevel 1–22; 0 stores raw
 */
public record SaveOptions(int zstdLevel) {
    public static final SaveOptions RAW = new SaveOptions(0);

    public SaveOptions {
        if (zstdLevel < 0 || zstdLevel > 22) {
            throw new IllegalArgumentException("zstd level " + zstdLevel + "; 1 to 22, or 0 for raw");
        }
    }
}
