package dev.dormouse.cli.bench.run;

/** What is measured. The name in lower case is the first part of a measurement's key. */
public enum Kind {
    /** A model without a snapshot: weights from their source. Each start is a copy of its own. */
    Cold,
    /** A sleeping model with a verified snapshot. */
    Restore,
    /** The same restore, in turns with {@link #Restore}, while nothing of the bench watches: what measuring costs. */
    Bare,
    /** A restore, woken by many clients at once; the wake ends with the last answer. */
    Load,
    /** A model that is awake, asked through the gateway and past it in turns. */
    Gateway,
    /** Demand to pod, control plane only: pods that no node takes. */
    Scheduler
}
