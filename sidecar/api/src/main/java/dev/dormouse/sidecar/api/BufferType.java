package dev.dormouse.sidecar.api;

/** What a buffer holds (S17). Weights are saved; the rest is dropped unless asked for. */
public enum BufferType {
    Weights, KvCache, Activations, Gradients, OptimizerState, Other
}
