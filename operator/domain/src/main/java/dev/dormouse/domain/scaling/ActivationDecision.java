package dev.dormouse.domain.scaling;

import java.time.Instant;
import java.util.Optional;

/** What a model is to do. Every case says why; {@code recheckAt} is when the answer may change without any event. */
public sealed interface ActivationDecision {
    String why();

    /** Stays at zero. */
    record Asleep(String why) implements ActivationDecision {}

    /** Begins a new activation. */
    record Wake(Activation activation, String why) implements ActivationDecision {}

    /** Stays awake. */
    record Awake(Activation activation, String why, Optional<Instant> recheckAt) implements ActivationDecision {}

    /** Ends its activation. */
    record Sleep(Activation ended, String why) implements ActivationDecision {}
}
