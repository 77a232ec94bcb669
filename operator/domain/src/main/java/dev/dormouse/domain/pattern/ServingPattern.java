package dev.dormouse.domain.pattern;

/** How a model is used (W8). The names are told to the outside (W9). */
@SuppressWarnings("java:S115")
public enum ServingPattern {
    /** Too little is known. */
    Unknown,
    /** Many inputs per request, or much work that nobody waits for. */
    BatchInference,
    /** Single requests that somebody waits for. */
    RealtimeInference,
    /** Answers are read while they are written. */
    StreamingInference,
    /** Text, images, sound: several kinds of input. */
    MultiModalServing,
    /** Called together with other models for one purpose. */
    EnsembleServing,
    /** Two revisions share the requests so that they can be compared. */
    A_BServing,
    /** A new revision is given a small part of the requests. */
    CanaryServing,
    /** Its load comes and goes, and so do its replicas. */
    AutoScalingServing
}
