package dev.dormouse.domain.fleet;

/**
 * One replica before and after its pod exists. Pod names are deterministic, so the name identifies a replica that
 * still waits for its warmup slot; it is never reused while a pod of that name lives.
 */
public record ReplicaId(ModelKey model, String pod) {
    @Override
    public String toString() {
        return model.namespace() + "/" + pod;
    }
}
