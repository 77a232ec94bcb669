package dev.dormouse.cluster.kubelet;

import io.fabric8.kubernetes.api.model.HasMetadata;
import java.time.Duration;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What can be made to go wrong, as annotations that nodes obey: {@code dormouse local fault} sets them, and so can
 * {@code kubectl annotate}.
 */
public final class Faults {
    /** On a node, {@code true}: the power is cut. Its processes die, it writes nothing any more. Removed: it boots. */
    public static final String NODE_DOWN = "fault.dormouse.dev/down";
    /** On a node: {@code fail}, or how long an image takes that the node has not had since, such as {@code 30s}. */
    public static final String IMAGE_PULL = "fault.dormouse.dev/image-pull";
    /** On a pod: the container that is killed as if it had used more memory than it may; each new value kills once. */
    public static final String OOM_KILL = "fault.dormouse.dev/oom-kill";

    private static final Pattern DURATION = Pattern.compile("(\\d{1,6})(ms|s|m)");

    private Faults() {}

    static Optional<String> of(HasMetadata object, String annotation) {
        return Optional.ofNullable(object.getMetadata().getAnnotations()).map(all -> all.get(annotation));
    }

    /** @throws IllegalArgumentException when it is not a number of {@code ms}, {@code s} or {@code m} */
    public static Duration duration(String text) {
        Matcher matcher = DURATION.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("\"" + text + "\" is no duration: write 500ms, 30s or 2m");
        }
        long amount = Long.parseLong(matcher.group(1));
        return switch (matcher.group(2)) {
            case "ms" -> Duration.ofMillis(amount);
            case "s" -> Duration.ofSeconds(amount);
            default -> Duration.ofMinutes(amount);
        };
    }

    /** What a node does with a value nobody can read: nothing. */
    static String readableImagePull(String value) {
        return value.isEmpty() || value.equals("fail") || DURATION.matcher(value).matches() ? value : "";
    }
}
