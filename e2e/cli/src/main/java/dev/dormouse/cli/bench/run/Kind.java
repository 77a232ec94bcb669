package dev.dormouse.cli.bench.run;

/** What is measured. The name in lower case is the first part of a measurement's key. */
public enum Kind {
    /** A model without a snapshot: weights from their source. Each start is a copy of its own. */
    Cold,
    /** A sleeping model with a verified snapshot. */
    Restore,
    /** The same, woken by many clients at once; the wake ends with the last answer. */
    Load,
    /** A model that is awake, asked through the gateway and past it in turns. */
    Gateway
}
