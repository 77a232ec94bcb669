package dev.dormouse.sidecar.api;

/** Labels, annotations, container and port names by which operator, gateway and users find a model's pods. */
public final class PodConventions {
    /** Label on every pod of a model: the model's name. */
    public static final String LABEL_MODEL = "dormouse.dev/model";
    public static final String LABEL_MANAGED_BY = "app.kubernetes.io/managed-by";
    public static final String MANAGED_BY = "dormouse";
    /** Annotation: id of the wake the pod was created for. */
    public static final String ANNOTATION_ACTIVATION = "dormouse.dev/activation";
    /** Annotation: W3C trace context of the request that the pod was created for; absent if that has none. */
    public static final String ANNOTATION_TRACEPARENT = "dormouse.dev/traceparent";
    /** Annotation: {@code true} once no gateway may send anything new to this pod. */
    public static final String ANNOTATION_DRAINING = "dormouse.dev/draining";
    /** Annotation: share of requests under {@code loadBalancing.strategy: Weighted}, a whole number; 1 without it. */
    public static final String ANNOTATION_WEIGHT = "dormouse.dev/weight";
    /** Annotation: {@code h2c} for an engine that is to be spoken to in HTTP/2 without TLS; HTTP/1.1 without it. */
    public static final String ANNOTATION_PROTOCOL = "dormouse.dev/engine-protocol";
    /** Annotation: hash of the desired template; a pod with another one is out of date. */
    public static final String ANNOTATION_TEMPLATE = "dormouse.dev/template";

    /** Annotation: the GpuPool whose nodes the pod runs on; absent without one. */
    public static final String ANNOTATION_POOL = "dormouse.dev/pool";
    /** Annotation: GPUs of its pool that the pod has. */
    public static final String ANNOTATION_GPUS = "dormouse.dev/gpus";
    /** Label on a store pod: a hash of the claim whose volume it works on. */
    public static final String LABEL_STORE = "dormouse.dev/store";

    public static final String SIDECAR_CONTAINER = "dormouse-sidecar";
    public static final String ENGINE_CONTAINER = "engine";
    public static final String SIDECAR_PORT_NAME = "dormouse";
    public static final String ENGINE_PORT_NAME = "http";
    public static final int SIDECAR_PORT = 9400;
    public static final int ENGINE_PORT = 8000;

    private PodConventions() {}
}
