package dev.dormouse.operator.modelsnapshot;

/** The claim whose volume holds snapshots. */
public record VolumeKey(String namespace, String claim) {
    @Override
    public String toString() {
        return namespace + "/" + claim;
    }
}
