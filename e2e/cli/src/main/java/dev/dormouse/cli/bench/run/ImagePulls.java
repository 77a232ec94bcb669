package dev.dormouse.cli.bench.run;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.util.OptionalDouble;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a pod waited for its images: Kubernetes says it in events only. */
final class ImagePulls {
    private static final Pattern PULLED = Pattern.compile("Successfully pulled image .* in ([0-9.hmsµun]+)[ .(]?.*");
    private static final Pattern PART = Pattern.compile("([0-9.]+)(h|ms|m|s|µs|us|ns)");

    private ImagePulls() {}

    /** Milliseconds of all pulls; empty when the images were there. */
    static OptionalDouble millis(KubernetesClient client, Pod pod) {
        return client.v1()
                .events()
                .inNamespace(pod.getMetadata().getNamespace())
                .withField("involvedObject.uid", pod.getMetadata().getUid())
                .list()
                .getItems()
                .stream()
                .filter(event -> "Pulled".equals(event.getReason()))
                .map(event -> millis(event.getMessage()))
                .filter(OptionalDouble::isPresent)
                .mapToDouble(OptionalDouble::getAsDouble)
                .reduce(Double::sum);
    }

    /** Of a kubelet's message; its durations are Go's, such as {@code 1m2.5s}. */
    static OptionalDouble millis(String message) {
        Matcher pulled = PULLED.matcher(message);
        if (!pulled.matches()) {
            return OptionalDouble.empty();
        }
        double millis = 0;
        Matcher part = PART.matcher(pulled.group(1));
        while (part.find()) {
            millis += Double.parseDouble(part.group(1)) * switch (part.group(2)) {
                case "h" -> 3_600_000;
                case "m" -> 60_000;
                case "s" -> 1_000;
                case "ms" -> 1;
                case "ns" -> 1e-6;
                default -> 1e-3;
            };
        }
        return OptionalDouble.of(millis);
    }
}
