package dev.dormouse.gateway.http;

/** Bytes of requests that cannot be routed yet, in all: many small beginnings are as large as one. Owned by the event loop. */
final class PeekBudget {
    private final long most;
    private long taken;

    PeekBudget(long most) {
        this.most = most;
    }

    /** Whether there was room for so many more. */
    boolean take(int bytes) {
        if (taken + bytes > most) {
            return false;
        }
        taken += bytes;
        return true;
    }

    void giveBack(int bytes) {
        taken -= bytes;
    }

    long taken() {
        return taken;
    }
}
