package dev.dormouse.cli.bench.run;

import io.fabric8.kubernetes.client.KubernetesClient;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Where is measured: a cluster, by its API and its gateway.
 *
 * @param claims where a claim's bytes lie on this machine; with them, starts are also held against plain reads
 * @param burst whether the operator admits as many wakes at once as somebody asks for
 * @param say gets a line per start
 */
public record Site(KubernetesClient client, URI gateway, String namespace, Claims claims, boolean burst, Clock clock,
        Consumer<String> say) {

    /** Finds the folder behind a claim; empty where it is on another machine. */
    @FunctionalInterface
    public interface Claims {
        Optional<Path> folder(String namespace, String claim);
    }
}
