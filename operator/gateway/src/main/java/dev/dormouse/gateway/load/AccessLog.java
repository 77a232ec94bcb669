package dev.dormouse.gateway.load;

import java.time.Duration;
import java.util.StringJoiner;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** One line per answered request, if wanted (BL45). Neither headers nor queries nor bodies are in it. */
public final class AccessLog {
    private static final Logger LOG = LoggerFactory.getLogger("dormouse.access");

    private final boolean wanted;

    public AccessLog(boolean wanted) {
        this.wanted = wanted;
    }

    /** @param outcome the status, or what happened instead */
    public void write(RequestTrace trace, String outcome, Duration took) {
        if (wanted) {
            LOG.info(line(trace, outcome, took));
        }
    }

    static String line(RequestTrace trace, String outcome, Duration took) {
        StringJoiner line = new StringJoiner(" ");
        line.add("model=" + trace.model())
                .add("outcome=" + outcome)
                .add("method=" + trace.method())
                .add("path=" + trace.path())
                .add("client=" + trace.client())
                .add("ms=" + took.toMillis())
                .add("bytes=" + trace.bytes());
        if (trace.wasHeld()) {
            line.add("heldMs=" + trace.waited().orElse(took).toMillis());
        }
        trace.timeToFirstByte().ifPresent(time -> line.add("firstByteMs=" + time.toMillis()));
        trace.pod().ifPresent(pod -> line.add("pod=" + pod));
        trace.usage().ifPresent(usage -> line.add("tokensIn=" + usage.input()).add("tokensOut=" + usage.output()));
        return line.toString();
    }
}
