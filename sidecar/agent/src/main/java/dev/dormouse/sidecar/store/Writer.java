package dev.dormouse.sidecar.store;

import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;
import java.util.regex.Pattern;

/**
 * Who writes to a volume.
 *
 * @param pod uid of the pod, or another name that no two living writers share
 * @param instance the process within it: of two instances of a pod the older one is dead
 */
public record Writer(String pod, String instance) {
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9.-]{1,64}");

    public Writer {
        if (!NAME.matcher(pod).matches() || !NAME.matcher(instance).matches()) {
            throw new IllegalArgumentException(
                    "writer " + pod + "/" + instance + ": names have 1 to 64 letters, digits, dots or dashes");
        }
    }

    /** This process, in the given pod. */
    public static Writer inPod(String pod) {
        return new Writer(pod, HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextLong()));
    }
}
