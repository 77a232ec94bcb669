package dev.dormouse.gateway.load;

import dev.dormouse.domain.fleet.ModelKey;
import dev.dormouse.domain.pattern.RequestSample.Traits;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** What became of one request, noted while it passes. Not safe for threads: the gateway's event loop owns it. */
public final class RequestTrace {
    private final ModelKey model;
    private final String method;
    private final String path;
    private final String client;
    private final Instant arrivedAt;
    private final Traits traits;
    private final UsageTail usage = new UsageTail();
    private boolean held;
    private @Nullable Instant grantedAt;
    private @Nullable String pod;
    private @Nullable Instant firstByteAt;
    private long bytes;

    /** @param client whoever is connected; no header is believed */
    public RequestTrace(ModelKey model, String method, String path, String client, Instant arrivedAt,
            Traits traits) {
        this.model = model;
        this.method = method;
        this.path = path;
        this.client = client;
        this.arrivedAt = arrivedAt;
        this.traits = traits;
    }

    public void held() {
        held = true;
    }

    public void granted(String toPod, Instant now) {
        pod = toPod;
        grantedAt = now;
    }

    /** It never reached that pod, and waits again. */
    public void returned() {
        pod = null;
        grantedAt = null;
        held = true;
    }

    /**
     * The engine sent a piece of its answer.
     *
     * @param end its last {@link UsageTail#LOOKED_AT} bytes, or all of it
     */
    public void answering(int length, byte[] end, Instant now) {
        if (firstByteAt == null) {
            firstByteAt = now;
        }
        bytes += length;
        usage.seen(end);
    }

    public ModelKey model() {
        return model;
    }

    public String method() {
        return method;
    }

    /** Without the query, in which people put secrets. */
    public String path() {
        return path;
    }

    public String client() {
        return client;
    }

    /** What it is like. */
    public Traits traits() {
        return traits;
    }

    public Instant arrivedAt() {
        return arrivedAt;
    }

    /** Whether it has waited for a replica. */
    public boolean wasHeld() {
        return held;
    }

    /** Where it is; absent while it waits. */
    public Optional<String> pod() {
        return Optional.ofNullable(pod);
    }

    /** How long it waited for a replica, if it found one. */
    public Optional<Duration> waited() {
        return Optional.ofNullable(grantedAt).map(at -> Duration.between(arrivedAt, at));
    }

    /** From arrival to the first byte of the answer's body. */
    public Optional<Duration> timeToFirstByte() {
        return Optional.ofNullable(firstByteAt).map(at -> Duration.between(arrivedAt, at));
    }

    /** Of the answer's body. */
    public long bytes() {
        return bytes;
    }

    /** What the answer says it used. */
    public Optional<Usage> usage() {
        return usage.read();
    }
}
