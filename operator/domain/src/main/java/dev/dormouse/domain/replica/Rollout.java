package dev.dormouse.domain.replica;

/** How live replicas follow a change of their spec. One that is not ready yet is in nobody's way and goes at once. */
public enum Rollout {
    /** Each is replaced in its next quiet moment. */
    WhenIdle,
    /** All drain at once; what is in flight is finished. */
    Recreate,
    /** One replica beyond the wanted number becomes ready first; then an old one drains, and so on. */
    Surge
}
